"""The config that differs from one of ours in nothing but being MMDetection's RetinaNet."""

import copy

from mmengine.config import Config, ConfigDict

from ...errors import UserError

OWN_NECK_KEYS = ("relu_before_extra_convs",)
OWN_HEAD_KEYS = ("normaliser", "prior_prob", "reg_class_agnostic", "form")
OWN_DETECTOR_KEYS = ("dtype", "channels_last", "fold_norm")
BOX_LOSSES = ("SmoothL1Loss", "L1Loss")


def stock_twin(cfg: Config) -> Config:
    """A copy with MMDetection's detector and its parts, trained in float32, as it ships them.

    Backbone, widths, anchors, classes, data and schedule stay.

    Args:
        cfg: a resolved config with our model.

    Raises:
        UserError: it trains with what MMDetection's RetinaNet lacks, so that more would differ.
    """
    _check_losses(cfg.model)
    twin = copy.deepcopy(cfg)
    model = twin.model
    _retype(model, "RetinaNet", OWN_DETECTOR_KEYS)
    _retype(model.neck, "FPN", OWN_NECK_KEYS)
    _retype(model.bbox_head, "RetinaHead", OWN_HEAD_KEYS)
    _retype(model.bbox_head.loss_cls, "FocalLoss", ("form",))
    model.bbox_head.loss_bbox = ConfigDict(type="L1Loss", loss_weight=1.0)
    _retype(model.train_cfg.assigner, "MaxIoUAssigner")
    if twin.optim_wrapper.type == "retina_plugin.MixedPrecisionOptimWrapper":
        twin.optim_wrapper.type = "OptimWrapper"
        twin.optim_wrapper.pop("dtype", None)
    twin.optim_wrapper.optimizer.pop("fused", None)
    for key in ("val_evaluator", "test_evaluator"):
        if isinstance(twin.get(key), dict):
            _retype(twin[key], "CocoMetric", ("backend",))
    twin.fast = False
    return twin


def _check_losses(model: ConfigDict) -> None:
    """Holds the losses against MMDetection's focal loss over sigmoids and L1 of deltas."""
    head = model.bbox_head
    focal, box = head.loss_cls, head.get("loss_bbox", {})
    sampler = model.get("train_cfg", {}).get("sampler") or {}
    lacking = {
        f"bbox_head.loss_cls.type={focal.type}": _name(focal) != "FocalLoss",
        "bbox_head.loss_cls.use_sigmoid=False": not focal.get("use_sigmoid", True),
        "bbox_head.loss_cls.alpha": not isinstance(focal.get("alpha", 0.25), int | float),
        f"bbox_head.loss_bbox.type={box.get('type')}": bool(box) and _name(box) not in BOX_LOSSES,
        f"train_cfg.sampler.type={sampler.get('type')}": _name(sampler) == "OHEMSampler",
    }
    for key in (key for key, is_lacking in lacking.items() if is_lacking):
        raise UserError(
            f"model.{key}: MMDetection's RetinaNet has a focal loss over sigmoids with one alpha, "
            "an L1 loss and no OHEM, so that this would not be the only difference; compare "
            "such a config by tools/compare.py."
        )


def _name(part: ConfigDict) -> str:
    return str(part.get("type", "")).rpartition(".")[2]


def _retype(part: ConfigDict, name: str, own_keys: tuple[str, ...] = ()) -> None:
    part.type = f"mmdet.{name}"
    for key in own_keys:
        part.pop(key, None)
