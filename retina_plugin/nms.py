"""Greedy and soft non-maximum suppression of axis-aligned boxes, as pure tensor functions.

Boxes are (N, 4) xyxy in pixels, scores are (N,), both finite: an overlap with a NaN box is NaN,
which is above no threshold, so such a box would suppress nothing and never be suppressed.
Half-precision input is computed in float32; float32 and float64 stay what they are. Both functions
equal mmcv's compiled CPU operators; equal scores keep their input order.
"""

import torch
from torch import Tensor

# Boxes compared at once with so many others: bounds the memory of `nms` at a few MB for any N.
BLOCK = 256


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    offset: int = 0,
    at_most: int | None = None,
) -> Tensor:
    """Drop every box that overlaps a kept one of higher score by more than `iou_threshold`.

    Blocks of boxes in score order are compared with all boxes kept so far, then with each other.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: Highest overlap with a kept box.
        offset: Added to widths and heights; 1 where x2 and y2 are the last pixel inside.
        at_most: Stop at so many kept boxes; they are the first of all that would be kept.

    Returns:
        Indices of the kept boxes, best score first.
    """
    boxes = at_least_float32(boxes)
    order = scores.argsort(descending=True, stable=True)
    kept = order[:0]
    for block in order.split(BLOCK):
        for chunk in kept.split(BLOCK):
            overlaps = _iou(boxes[chunk], boxes[block], offset) > iou_threshold
            block = block[~overlaps.any(dim=0)]
        overlaps = _iou(boxes[block], boxes[block], offset) > iou_threshold
        kept = torch.cat([kept, block[_first_come(overlaps)]])
        if at_most is not None and len(kept) >= at_most:
            return kept[:at_most]
    return kept


def nms_plain(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """What `nms` computes, one box after the other."""
    boxes = at_least_float32(boxes)
    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if not (_iou(boxes[kept], boxes[[index]], offset) > iou_threshold).any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Lower the score of a box with each better one that it overlaps (Bodla et al. 2017).

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: Overlap from which `naive` and `linear` act; `gaussian` always does.
        sigma: Width of the `gaussian` decay.
        min_score: A box whose lowered score is below it is dropped.
        method: `naive` (score to 0), `linear` (times 1 - IoU) or `gaussian` (exp(-IoU^2 / sigma)).
        offset: As for `nms`.

    Returns:
        (M, 5) boxes with their lowered score, and their (M,) indices, in the order of picking.
    """
    boxes, scores = at_least_float32(boxes), at_least_float32(scores)
    left = torch.arange(len(boxes), device=boxes.device)
    picked, picked_scores = left[:0], scores[:0]
    while len(left):
        best = scores.argmax(dim=0, keepdim=True)
        picked = torch.cat([picked, left[best]])
        picked_scores = torch.cat([picked_scores, scores[best]])
        overlap = _iou(boxes[left[best]], boxes[left], offset)[0]
        scores = scores * _decay(overlap, iou_threshold, sigma, method)
        stays = scores >= min_score
        stays[best] = False
        left, scores = left[stays], scores[stays]
    return torch.cat([boxes[picked], picked_scores[:, None]], dim=1), picked


def _iou(boxes: Tensor, others: Tensor, offset: int = 0) -> Tensor:
    """Intersection over union, (N, 4) and (M, 4) to (N, M); NaN between two boxes without area."""
    x1, y1, x2, y2 = boxes[:, :, None].unbind(dim=1)
    other_x1, other_y1, other_x2, other_y2 = others.unbind(dim=1)
    width = (torch.minimum(x2, other_x2) - torch.maximum(x1, other_x1) + offset).clamp(min=0)
    height = (torch.minimum(y2, other_y2) - torch.maximum(y1, other_y1) + offset).clamp(min=0)
    intersection = width * height
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    other_area = (other_x2 - other_x1 + offset) * (other_y2 - other_y1 + offset)
    return intersection / (area + other_area - intersection)


def _first_come(overlaps: Tensor) -> Tensor:
    """Which of M boxes survive, from the (M, M) mask of who overlaps whom, best box first.

    A box survives if no surviving better box suppresses it. Repeating this rule settles at least
    one more box in each round, so it ends at the only answer, mostly after a few rounds.
    """
    overlaps_better = overlaps.triu(diagonal=1).float()
    alive = overlaps_better.new_ones(len(overlaps))
    while True:
        still_alive = (alive @ overlaps_better == 0).float()
        if torch.equal(still_alive, alive):
            return alive.bool()
        alive = still_alive


def _decay(overlap: Tensor, iou_threshold: float, sigma: float, method: str) -> Tensor:
    if method == "gaussian":
        # By way of float64, whose exponential rounds to the same float32 in every library.
        return torch.exp((-(overlap * overlap) / sigma).double()).to(overlap.dtype)
    lowered = {"naive": torch.zeros_like(overlap), "linear": 1 - overlap}[method]
    return torch.where(overlap >= iou_threshold, lowered, torch.ones_like(overlap))


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32, anything wider as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
