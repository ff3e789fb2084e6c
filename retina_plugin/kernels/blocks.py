"""The assignment in plain PyTorch without the G x R matrix: boxes meet blocks of anchors.

Equals `matching.match_image`, for any input and on any device. A box is compared with the blocks
that it touches, twice: for the best IoUs, then for what follows from them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import iou, valid_boxes
from ..matching import BACKGROUND, IGNORED, MatchRule, excluded_anchors, is_background

BLOCK = 64  # anchors
# IoUs at a time: on a CPU what stays in the cache, elsewhere what keeps the device busy.
AT_ONCE = {"cpu": 1 << 17}
AT_ONCE_ELSEWHERE = 1 << 22
FAR = 1e9  # pixels; nearer boxes have areas and sums of areas that are far from overflowing


@dataclass(frozen=True)
class Blocks:
    """Anchors in n blocks of B, and the pairs of block and box whose IoUs are not all zero."""

    anchors: Tensor  # (n, B, 4)
    takes_part: Tensor  # (n, B) bool
    boxes: Tensor  # (G, 4)
    block: Tensor  # (P,)
    box: Tensor  # (P,)

    @classmethod
    def of(cls, anchors: Tensor, takes_part: Tensor, boxes: Tensor) -> "Blocks":
        """Cut anchors (R, 4) into blocks; the last one is filled up with anchors of no part."""
        good = valid_boxes(boxes).to(anchors.device)
        can_skip = is_near(anchors, boxes)
        boxes = boxes.to(anchors)
        missing = -len(anchors) % BLOCK
        anchors = torch.cat([anchors, anchors[:1].expand(missing, 4)]).unflatten(0, (-1, BLOCK))
        rest = takes_part.new_zeros(missing)
        touching = good.expand(len(anchors), len(boxes))
        if can_skip:
            left_top = anchors[:, :, :2].amin(dim=1)[:, None]  # (n, 1, 2)
            right_bottom = anchors[:, :, 2:].amax(dim=1)[:, None]
            touching = touching & (boxes[:, :2] < right_bottom).all(-1)
            touching = touching & (boxes[:, 2:] > left_top).all(-1)
        block, box = touching.nonzero(as_tuple=True)
        takes_part = torch.cat([takes_part, rest]).unflatten(0, (-1, BLOCK))
        return cls(anchors, takes_part, boxes, block, box)

    def overlaps(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Block (p,), box (p,) and IoUs (p, B) of the pairs, in parts of bounded size."""
        size = max(1, _at_once(self.anchors) // BLOCK)
        for block, box in zip(self.block.split(size), self.box.split(size), strict=True):
            overlap = iou(self.boxes[box, None], self.anchors[block])
            yield block, box, overlap.masked_fill_(~self.takes_part[block], 0)


def is_near(anchors: Tensor, boxes: Tensor) -> bool:
    """Whether no IoU of anchors (R, 4) with a valid box (G, 4) can overflow or become NaN."""
    if anchors.dtype not in (torch.float32, torch.float64) or len(anchors) == 0:
        return False
    low, high = anchors.aminmax()
    near = (boxes.abs() <= FAR).all(-1) | ~valid_boxes(boxes)
    return bool((low >= -FAR) & (high <= FAR) & near.all().to(low.device))


def match_blocks(
    anchors: Tensor, boxes: Tensor, rule: MatchRule, valid: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Codes (R,) and best IoU (R,) as `match_image` returns them, for thresholds above 0.

    Args:
        anchors: (R, 4), at least one.
        boxes: (G, 4)
        rule: thresholds and options; ignore regions are not looked at.
        valid: (R,) bool, or None where every anchor takes part.
    """
    if valid is None:
        valid = torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
    blocks = Blocks.of(anchors, valid, boxes)
    best = anchors.new_zeros(blocks.anchors.shape[:2])
    goals = anchors.new_zeros(len(boxes))
    for block, box, overlap in blocks.overlaps():
        best.scatter_reduce_(0, block[:, None].expand_as(overlap), overlap, "amax")
        goals.scatter_reduce_(0, box, overlap.amax(dim=1), "amax")
    can_claim = (goals > 0) & (goals >= rule.min_pos_iou) & rule.match_low_quality
    found = _settle(blocks, best, goals.masked_fill(~can_claim, -1), rule)
    best, matched, claimed = (each.flatten()[: len(anchors)] for each in (best, *found))
    without_box = not bool(valid_boxes(boxes).any())
    codes = torch.where(is_background(best, rule) | without_box, BACKGROUND, IGNORED)
    codes = torch.where(best >= rule.pos_iou_thr, matched, codes)
    codes = torch.where(claimed >= 0, claimed, codes)
    return codes.masked_fill_(~valid, IGNORED), best.masked_fill(~valid, -1)


def excluded_in_blocks(
    anchors: Tensor, rule: MatchRule, regions: Tensor | None, valid: Tensor | None
) -> Tensor:
    """`matching.excluded_anchors` without the matrix of all anchors and regions."""
    count = 1 if regions is None else max(1, len(regions))
    size = max(1, _at_once(anchors) // count)
    parts = anchors.split(size)
    flags = [None] * len(parts) if valid is None else valid.split(size)
    given = zip(parts, flags, strict=True)
    return torch.cat([excluded_anchors(part, rule, regions, flag) for part, flag in given])


def _settle(blocks: Blocks, best: Tensor, goals: Tensor, rule: MatchRule) -> tuple[Tensor, Tensor]:
    """The first box (n B,) of each anchor's best IoU, and the last that claims it; -1 for none.

    A box claims the anchors, or only the first anchor, of an IoU equal to its goal.
    """
    count = best.numel()
    matched = blocks.box.new_full((count,), len(goals))
    claimed = blocks.box.new_full((count,), -1)
    first = blocks.box.new_full((len(goals),), count)
    for block, box, overlap in blocks.overlaps():
        is_best = (overlap >= rule.pos_iou_thr) & (overlap == best[block])
        anchor, own = _places(is_best, block, box)
        matched.scatter_reduce_(0, anchor, own, "amin")
        anchor, own = _places(overlap == goals[box, None], block, box)
        if rule.gt_max_assign_all:
            claimed.scatter_reduce_(0, anchor, own, "amax")
        else:
            first.scatter_reduce_(0, own, anchor, "amin")
    claimers = (first < count).nonzero()[:, 0]
    return matched, claimed.scatter_reduce_(0, first[claimers], claimers, "amax")


def _places(chosen: Tensor, block: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Anchor and box of each IoU that is chosen, (p, B) bool."""
    pair, within = chosen.nonzero(as_tuple=True)
    return block[pair] * BLOCK + within, box[pair]


def _at_once(anchors: Tensor) -> int:
    return AT_ONCE.get(anchors.device.type, AT_ONCE_ELSEWHERE)
