"""From the head's outputs of one image to its detections (section 4.1, inference)."""

from dataclasses import dataclass

import torch
from mmcv.ops import batched_nms
from mmdet.structures.bbox import scale_boxes
from mmengine.structures import InstanceData
from torch import Tensor

from .boxes import box_sizes
from .compat.mmcv_ext import is_stand_in
from .kernels.suppression import nms
from .log import warn

MMCV_SPLITS_FROM = 10_000  # boxes from which mmcv's batched_nms takes one class after the other


@dataclass(frozen=True)
class Candidates:
    """Anchors of one image, or of one level of it, that may become detections."""

    scores: Tensor  # (M,)
    labels: Tensor  # (M,)
    anchors: Tensor  # (M, 4)
    deltas: Tensor  # (M, 4)


def select(
    scores: Tensor, deltas: Tensor, anchors: Tensor, score_thr: float, nms_pre: int
) -> Candidates:
    """The `nms_pre` best (anchor, class) pairs of a level with a score above `score_thr`.

    A score that is not a number is selected, so that it is counted later and not
    lost here.

    Args:
        scores: (R, K).
        deltas: (R, 4), or (R, K, 4) where boxes depend on the class.
        anchors: (R, 4).
        score_thr: pairs at or below it are dropped.
        nms_pre: at most so many pairs; not positive for all.
    """
    anchor, label = (~(scores <= score_thr)).nonzero(as_tuple=True)
    scores = scores[anchor, label]
    count = min(nms_pre, len(scores)) if nms_pre > 0 else len(scores)
    # A stable sort, as in MMDetection: top-k orders equal scores by chance.
    scores, best = scores.sort(descending=True, stable=True)
    scores, best = scores[:count], best[:count]
    anchor, label = anchor[best], label[best]
    chosen = deltas[anchor, label] if deltas.dim() == 3 else deltas[anchor]
    return Candidates(scores, label, anchors[anchor], chosen)


def concatenate(levels: list[Candidates]) -> Candidates:
    """Candidates of all levels as one."""
    return Candidates(
        scores=torch.cat([level.scores for level in levels]),
        labels=torch.cat([level.labels for level in levels]),
        anchors=torch.cat([level.anchors for level in levels]),
        deltas=torch.cat([level.deltas for level in levels]),
    )


def detections(
    boxes: Tensor, candidates: Candidates, meta: dict, cfg: dict, rescale: bool, with_nms: bool
) -> InstanceData:
    """Drop what is no box, then NMS: `bboxes` (M, 4), `scores` (M,), `labels` (M,).

    Args:
        boxes: (M, 4) decoded candidates, clipped to the image, pixels, xyxy.
        candidates: their scores and labels.
        meta: of the image; `scale_factor` is read if `rescale`.
        cfg: `min_bbox_size`, `nms`, `max_per_img`.
        rescale: whether boxes are given in the pixels of the original image.
        with_nms: False returns all boxes (test-time augmentation merges later).
    """
    if rescale:
        boxes = scale_boxes(boxes, [1 / factor for factor in meta["scale_factor"]])
    results = InstanceData(bboxes=boxes, scores=candidates.scores, labels=candidates.labels)
    results = _finite(results, meta)
    smallest = cfg.get("min_bbox_size", 0)
    if smallest >= 0:
        results = results[(box_sizes(results.bboxes) > smallest).all(-1)]
    if not with_nms or len(results.scores) == 0:
        return results
    if _can_stop_early(results, cfg):
        return results[_best_of_nms(results, cfg["nms"], cfg["max_per_img"])]
    kept, keep = batched_nms(results.bboxes, results.scores, results.labels, cfg["nms"])
    results = results[keep]
    results.scores = kept[:, -1]  # soft NMS changes them
    return results[: cfg["max_per_img"]]


def _can_stop_early(results: InstanceData, cfg: dict) -> bool:
    """Whether NMS is the greedy one, of one pass over all classes, on the CPU, and ours.

    Compiled mmcv orders boxes of equal score in its own way, and stays in charge where it is.
    """
    nms_cfg = cfg["nms"]
    return (
        is_stand_in()
        and results.bboxes.device.type == "cpu"
        and nms_cfg is not None
        and nms_cfg.get("type", "nms") == "nms"
        and set(nms_cfg) <= {"type", "iou_threshold", "class_agnostic"}
        and len(results.scores) < MMCV_SPLITS_FROM
        and cfg["max_per_img"] > 0
    )


def _best_of_nms(results: InstanceData, nms_cfg: dict, count: int) -> Tensor:
    """Indices of the first `count` boxes that `batched_nms` keeps, found without the rest.

    Greedy NMS emits in the order of scores. Classes are moved apart as mmcv moves them: the shift
    rounds the coordinates, and so must be the same for the same boxes to be kept.
    """
    boxes = results.bboxes
    if not nms_cfg.get("class_agnostic", False):
        boxes = boxes + (results.labels.to(boxes) * (boxes.max() + 1))[:, None]
    return nms(boxes, results.scores, nms_cfg["iou_threshold"], at_most=count)


def _finite(results: InstanceData, meta: dict) -> InstanceData:
    """Results without those that are not finite: one of them would switch NMS off for all."""
    finite = results.bboxes.isfinite().all(-1) & results.scores.isfinite()
    dropped = int((~finite).sum())
    if dropped == 0:
        return results
    path = meta.get("img_path") or "without a path"
    warn(
        f"{dropped} of {len(finite)} candidates of image {path} are not finite and were dropped; "
        "the weights or the image hold NaN or infinity."
    )
    return results[finite]
