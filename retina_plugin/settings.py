"""Defaults of the head, and the check that every setting given to it is honoured."""

from difflib import get_close_matches
from typing import Any

from mmengine.structures import InstanceData

from .bounds import COUNT, FINITE, FRACTION, WHOLE, Bounds, check_number
from .errors import UserError

NORMAL = {"type": "Normal", "layer": "Conv2d", "std": 0.01}
ANCHORS = {
    "type": "AnchorGenerator",
    "octave_base_scale": 4,
    "scales_per_octave": 3,
    "ratios": [0.5, 1.0, 2.0],
    "strides": [8, 16, 32, 64, 128],
}
BOX_CODER = {"type": "DeltaXYWHBBoxCoder"}
FOCAL_LOSS = {"type": "retina_plugin.FocalLoss", "use_sigmoid": True}
BOX_LOSS = {"type": "mmdet.SmoothL1Loss", "beta": 1 / 9}
TRAIN_CFG: dict[str, Any] = {
    "assigner": {"type": "retina_plugin.AnchorAssigner"},
    "sampler": None,
    "allowed_border": -1,
    "pos_weight": -1,
    "debug": False,
}
TEST_CFG: dict[str, Any] = {
    "nms_pre": 1000,
    "min_bbox_size": 0,
    "score_thr": 0.05,
    "nms": {"type": "nms", "iou_threshold": 0.5},
    "max_per_img": 100,
}
TRAIN_NUMBERS = {"allowed_border": FINITE, "pos_weight": FINITE}
TEST_NUMBERS = {
    "nms_pre": WHOLE,
    "min_bbox_size": FINITE,
    "score_thr": Bounds(high=1),
    "max_per_img": COUNT,
}
EVERY_ANCHOR, OHEM = "PseudoSampler", "retina_plugin.OHEMSampler"
NMS_TYPES = ("nms", "soft_nms")


def checked_train_cfg(cfg: dict | None) -> dict:
    """`TRAIN_CFG` with the settings of `cfg`, all of which RetinaHead honours.

    Raises:
        UserError: unknown key, no number where one must be, a sampler for two-stage detectors,
            `debug=True`.
    """
    cfg = _merged(TRAIN_CFG, cfg, "train_cfg", TRAIN_NUMBERS)
    kind = (cfg["sampler"] or {"type": EVERY_ANCHOR})["type"]
    if kind.removeprefix("mmdet.") == EVERY_ANCHOR:
        cfg["sampler"] = None
    elif kind != OHEM:
        raise UserError(
            "RetinaHead trains on all anchors, and expects model.train_cfg.sampler to be None or "
            f"{EVERY_ANCHOR}, or {OHEM} for hard example mining, but got {kind!r}."
        )
    if cfg["debug"]:
        raise UserError("RetinaHead has no debug mode; set model.train_cfg.debug=False.")
    return cfg


def checked_test_cfg(cfg: dict | None) -> dict:
    """`TEST_CFG` with the settings of `cfg`, all of which RetinaHead honours.

    Raises:
        UserError: unknown key, a number out of its range, or unknown NMS.
    """
    cfg = _merged(TEST_CFG, cfg, "test_cfg", TEST_NUMBERS)
    if cfg["nms"] is not None:
        _check_nms(cfg["nms"])
    return cfg


def _check_nms(nms: dict) -> None:
    kind = nms.get("type", "nms")
    if kind not in NMS_TYPES:
        raise UserError(
            f"RetinaHead expects model.test_cfg.nms.type to be one of {NMS_TYPES}, "
            f"but got {kind!r}."
        )
    key = "iou_thr" if "iou_thr" in nms else "iou_threshold"  # the first is mmcv's old name
    if kind == "nms" or key in nms:
        check_number("RetinaHead", f"model.test_cfg.nms.{key}", nms.get(key), FRACTION)


def _merged(defaults: dict, cfg: dict | None, name: str, numbers: dict[str, Bounds]) -> dict:
    for key in cfg or {}:
        if key not in defaults:
            close = get_close_matches(key, defaults, 1)
            raise UserError(
                f"model.{name} has the key {key!r}, which RetinaHead does not know; "
                + (f"did you mean {close[0]!r}?" if close else f"it knows {list(defaults)}.")
            )
    merged = {**defaults, **(cfg or {})}
    for key, bounds in numbers.items():
        check_number("RetinaHead", f"model.{name}.{key}", merged[key], bounds)
    return merged


def check_gt_labels(gts: list[InstanceData], metas: list[dict], num_classes: int) -> None:
    """Raise UserError, naming image and label, unless labels lie in 0..num_classes - 1."""
    for gt, meta in zip(gts, metas, strict=True):
        if len(gt.labels) == 0:
            continue
        low, high = (int(bound) for bound in gt.labels.aminmax())
        if low < 0 or high >= num_classes:
            raise UserError(
                f"image {meta.get('img_path', 'without a path')} has the label "
                f"{low if low < 0 else high}, but the head has num_classes={num_classes}, labels "
                f"0..{num_classes - 1}; make model.bbox_head.num_classes and the classes of the "
                "dataset's metainfo agree."
            )
