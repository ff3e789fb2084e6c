"""Pure functions on boxes in pixels, xyxy."""

from collections.abc import Sequence

import torch
from torch import Tensor

# MMDetection's floor on the union of two boxes: keeps 0 / 0 of two empty boxes at 0.
EPS = 1e-6


def box_areas(boxes: Tensor) -> Tensor:
    """Areas (...) of boxes (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_sizes(boxes: Tensor) -> Tensor:
    """Width and height (..., 2) of boxes (..., 4)."""
    return boxes[..., 2:] - boxes[..., :2]


def valid_boxes(boxes: Tensor) -> Tensor:
    """Which boxes (..., 4) are finite and have a width and a height above 0: bool (...)."""
    return boxes.isfinite().all(-1) & (box_sizes(boxes) > 0).all(-1)


def intersection(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection areas of boxes (..., 4) with others (..., 4), whose leading axes broadcast."""
    left_top = torch.maximum(boxes[..., :2], others[..., :2])
    right_bottom = torch.minimum(boxes[..., 2:], others[..., 2:])
    width_height = (right_bottom - left_top).clamp(min=0)
    return width_height[..., 0] * width_height[..., 1]


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) with others (..., 4); leading axes broadcast."""
    common = intersection(boxes, others)
    union = box_areas(boxes) + box_areas(others) - common
    return common / union.clamp(min=EPS)


def pairwise_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (G, R) of boxes (G, 4) with others (R, 4)."""
    return iou(boxes[:, None], others[None])


def pairwise_coverage(boxes: Tensor, regions: Tensor) -> Tensor:
    """Share (R, G) of each box (R, 4) that lies inside each region (G, 4): MMDetection's IoF."""
    return intersection(boxes[:, None], regions[None]) / box_areas(boxes)[:, None].clamp(min=EPS)


def encode(anchors: Tensor, boxes: Tensor, means: Sequence[float], stds: Sequence[float]) -> Tensor:
    """Deltas (P, 4) in float32 from anchors (P, 4) to boxes (P, 4), as DeltaXYWHBBoxCoder's.

    Means and standard deviations stay numbers: as tensors each would be copied to the device,
    which waits for it.
    """
    anchors, boxes = anchors.float(), boxes.float()
    size, own = box_sizes(boxes), box_sizes(anchors)
    centre = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    shift = (centre - (anchors[:, :2] + anchors[:, 2:]) * 0.5) / own
    deltas = torch.cat([shift, torch.log(size / own)], dim=1).unbind(dim=1)
    scaled = [(d - mean) / std for d, mean, std in zip(deltas, means, stds, strict=True)]
    return torch.stack(scaled, dim=1)
