"""Boxes of a prepared sample that nothing can be learned from."""

import math
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

SMALLEST = 1 - 1e-3  # pixels; a box of 1 px may lose a little in single precision


def usable(boxes: Any) -> Tensor:
    """Which boxes (M, 4), xyxy in pixels, are finite and at least 1 px wide and high: (M,) bool."""
    corners = np.asarray(getattr(boxes, "tensor", boxes))
    if corners.ndim != 2 or corners.shape[-1] != 4:  # polygons or turned boxes
        return torch.ones(len(corners), dtype=torch.bool)
    with np.errstate(invalid="ignore", over="ignore"):
        sides = corners[:, 2:] - corners[:, :2]  # finite only if both are
        return torch.from_numpy(((sides >= SMALLEST) & (sides < np.inf)).all(1))


def _are_all_usable(boxes: Any) -> bool:
    """Whether `usable` holds for all of them; False if that takes a closer look.

    For the few boxes of an image plain Python is ten times faster than tensors.
    """
    corners = getattr(boxes, "tensor", boxes)
    if corners.ndim != 2 or corners.shape[-1] != 4:
        return False
    return all(
        SMALLEST <= right - left < math.inf and SMALLEST <= bottom - top < math.inf
        for left, top, right, bottom in corners.tolist()
    )


def drop_degenerate(data: Any) -> int:
    """Drop them from what a pipeline gave, in place; gives their number.

    Args:
        data: a dict with packed `data_samples`, one or a list, or with `gt_bboxes` and its like.
    """
    if not isinstance(data, dict):
        return 0
    samples = data.get("data_samples")
    if samples is None:
        return _drop_loose(data)
    return sum(map(_drop_packed, samples if isinstance(samples, list) else [samples]))


def _drop_packed(sample: DetDataSample) -> int:
    dropped = 0
    for name in ("gt_instances", "ignored_instances"):
        instances: InstanceData = sample.get(name)
        if instances is None or "bboxes" not in instances or not len(instances):
            continue
        if _are_all_usable(instances.bboxes):
            continue
        keep = usable(instances.bboxes)
        if not keep.all():
            setattr(sample, name, instances[keep])
            dropped += int((~keep).sum())
    return dropped


def _drop_loose(data: dict) -> int:
    if "gt_bboxes" not in data:
        return 0
    keep = usable(data["gt_bboxes"])
    if keep.all():
        return 0
    for name in ("gt_bboxes", "gt_bboxes_labels", "gt_ignore_flags", "gt_masks"):
        if name in data:
            is_tensor = hasattr(data[name], "tensor")
            data[name] = data[name][keep if is_tensor else keep.numpy()]
    return int((~keep).sum())
