"""Pure functions on boxes in pixels, xyxy."""

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


def pairwise_intersection(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection areas (G, R) of boxes (G, 4) with others (R, 4)."""
    left_top = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    right_bottom = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    width_height = (right_bottom - left_top).clamp(min=0)
    return width_height[..., 0] * width_height[..., 1]


def pairwise_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (G, R) of boxes (G, 4) with others (R, 4)."""
    intersection = pairwise_intersection(boxes, others)
    union = box_areas(boxes)[:, None] + box_areas(others)[None, :] - intersection
    return intersection / union.clamp(min=EPS)


def pairwise_coverage(boxes: Tensor, regions: Tensor) -> Tensor:
    """Share (R, G) of each box (R, 4) that lies inside each region (G, 4): MMDetection's IoF."""
    return pairwise_intersection(boxes, regions) / box_areas(boxes)[:, None].clamp(min=EPS)
