"""Which anchor learns which box: the IoU band of section 4.1 of the paper.

Codes: an index >= 0 is the ground-truth box that the anchor is matched with.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .boxes import pairwise_coverage, pairwise_iou, valid_boxes

BACKGROUND = -1
IGNORED = -2


@dataclass(frozen=True)
class MatchRule:
    """The numbers of the assignment; the defaults are the paper's.

    The paper is silent on low-quality matches (every box also takes its best
    anchors, whatever their IoU). They are on by default, as in MMDetection,
    Detectron2 and torchvision: without them a 16 x 16 px object matches nothing.
    """

    pos_iou_thr: float = 0.5
    neg_iou_thr: float | tuple[float, float] = 0.4
    match_low_quality: bool = True
    min_pos_iou: float = 0.0
    gt_max_assign_all: bool = True
    ignore_iof_thr: float = -1.0
    ignore_wrt_candidates: bool = True


PAPER_RULE = MatchRule()


def label_anchors(
    anchors: Tensor,
    gt_boxes: list[Tensor],
    rule: MatchRule = PAPER_RULE,
    ignored_boxes: list[Tensor] | None = None,
    valid: Tensor | None = None,
) -> Tensor:
    """Codes (N, R) of all anchors of a batch.

    Args:
        anchors: (R, 4) pixels, xyxy, shared by the images.
        gt_boxes: N tensors (G_i, 4). A box without area, or not finite, matches nothing.
        rule: thresholds and options.
        ignored_boxes: N tensors of crowd or ignore regions; used if
            `rule.ignore_iof_thr > 0`.
        valid: (N, R) bool; anchors outside are IGNORED and match nothing.
    """
    codes = [
        match_image(
            anchors,
            boxes,
            rule,
            None if ignored_boxes is None else ignored_boxes[i],
            None if valid is None else valid[i],
        )[0]
        for i, boxes in enumerate(gt_boxes)
    ]
    return torch.stack(codes)


def match_image(
    anchors: Tensor,
    boxes: Tensor,
    rule: MatchRule = PAPER_RULE,
    ignored_boxes: Tensor | None = None,
    valid: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Codes (R,) and best IoU (R,) of the anchors (R, 4) of one image with boxes (G, 4).

    The best IoU is -1 on anchors that are not valid or lie in an ignore region.
    """
    excluded = excluded_anchors(anchors, rule, ignored_boxes, valid)
    if len(boxes) == 0 or len(anchors) == 0:
        best = anchors.new_zeros(len(anchors)).masked_fill_(excluded, -1)
        return torch.where(excluded, IGNORED, BACKGROUND), best
    iou = pairwise_iou(boxes.to(anchors), anchors)  # (G, R)
    good = valid_boxes(boxes)
    iou.masked_fill_(~good[:, None], 0)
    iou.masked_fill_(excluded, -1)
    best, matched = iou.max(dim=0)
    nothing = ~good.any() & ~excluded  # as without any box
    codes = torch.where(is_background(best, rule) | nothing, BACKGROUND, IGNORED)
    codes = torch.where(best >= rule.pos_iou_thr, matched, codes)
    if rule.match_low_quality:
        claims = _low_quality_claims(iou, rule)
        codes = torch.where(claims >= 0, claims, codes)
    return codes, best


def is_background(best: Tensor, rule: MatchRule) -> Tensor:
    """Which anchors, by their best IoU, learn that there is nothing."""
    low, high = background_band(rule)
    return (best >= low) & (best < high)


def background_band(rule: MatchRule) -> tuple[float, float]:
    """Lowest best IoU of background, and the one from which an anchor is no background."""
    return rule.neg_iou_thr if isinstance(rule.neg_iou_thr, tuple) else (0.0, rule.neg_iou_thr)


def _low_quality_claims(iou: Tensor, rule: MatchRule) -> Tensor:
    """The box (R,) that has each anchor as its best one, -1 for none; the last box wins.

    A box whose best IoU is 0 claims nothing: it would claim every anchor.
    """
    best = iou.amax(dim=1, keepdim=True)  # (G, 1)
    claims = (best > 0) & (best >= rule.min_pos_iou)
    if rule.gt_max_assign_all:
        claims = claims & (iou == best)  # (G, R)
    else:
        anchors = torch.arange(iou.shape[1], device=iou.device)
        claims = claims & (iou.argmax(dim=1, keepdim=True) == anchors)
    boxes = torch.arange(len(iou), device=iou.device)[:, None]
    return torch.where(claims, boxes, -1).amax(dim=0)


def excluded_anchors(
    anchors: Tensor, rule: MatchRule, ignored_boxes: Tensor | None, valid: Tensor | None
) -> Tensor:
    """Anchors (R,) that take no part: not valid, or inside an ignore region."""
    if valid is None:
        excluded = torch.zeros(len(anchors), dtype=torch.bool, device=anchors.device)
    else:
        excluded = ~valid
    if rule.ignore_iof_thr <= 0 or ignored_boxes is None or len(ignored_boxes) == 0:
        return excluded
    regions = ignored_boxes.to(anchors)
    if rule.ignore_wrt_candidates:
        coverage = pairwise_coverage(anchors, regions).amax(dim=1)
    else:
        coverage = pairwise_coverage(regions, anchors).amax(dim=0)
    return excluded | (coverage > rule.ignore_iof_thr)
