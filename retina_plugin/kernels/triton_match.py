"""The assignment of a batch in two streaming Triton passes; equals `matching.label_anchors`.

Neither pass writes an IoU to memory, and nothing waits for the device. A block of anchors skips
the boxes that do not touch the block's extent. IoU is computed by `boxes.iou`'s steps, each
rounded on its own (no fused multiply-add, division to nearest), so that equal is equal.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..matching import BACKGROUND, IGNORED, MatchRule, background_band

BLOCK = 256


def label_padded(
    anchors: Tensor,
    gt_boxes: Tensor,
    rule: MatchRule,
    valid: Tensor | None = None,
    overlaps: Tensor | None = None,
) -> Tensor:
    """Codes (N, R).

    Args:
        anchors: (R, 4) float32, contiguous.
        gt_boxes: (N, G, 4) float32; rows of NaN fill up images with fewer boxes.
        rule: thresholds and options; ignore regions are not looked at, and
            `gt_max_assign_all` must be on.
        valid: (N, R) bool, or None where every anchor takes part.
        overlaps: (N, R) float32, contiguous, to be filled with the best IoU of each anchor, -1
            where it takes no part; None where nobody asks.
    """
    images, count = gt_boxes.shape[:2]
    codes = torch.empty((images, len(anchors)), dtype=torch.long, device=anchors.device)
    best = anchors.new_zeros((images, max(count, 1)))
    launch = (triton.cdiv(len(anchors), BLOCK), images)
    gt_boxes = gt_boxes.contiguous()
    has_valid = valid is not None
    mask = codes if valid is None else valid.contiguous().view(torch.uint8)
    sizes = {"anchor_count": len(anchors), "count": count, "has_valid": has_valid, "block": BLOCK}
    low, high = background_band(rule)
    with torch.cuda.device_of(anchors):  # Triton launches on the current device
        if rule.match_low_quality:
            _best_kernel[launch](anchors, gt_boxes, mask, best, **sizes, enable_fp_fusion=False)
        _code_kernel[launch](
            anchors,
            gt_boxes,
            mask,
            best,
            codes,
            codes if overlaps is None else overlaps,
            low,
            high,
            rule.pos_iou_thr,
            rule.min_pos_iou,
            low_quality=rule.match_low_quality,
            has_overlaps=overlaps is not None,
            background=BACKGROUND,
            ignored=IGNORED,
            **sizes,
            enable_fp_fusion=False,
        )
    return codes


@triton.jit
def _load_anchors(anchors, mask, image, anchor_count, has_valid: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < anchor_count
    x1 = tl.load(anchors + at * 4, mask=inside, other=0)
    y1 = tl.load(anchors + at * 4 + 1, mask=inside, other=0)
    x2 = tl.load(anchors + at * 4 + 2, mask=inside, other=0)
    y2 = tl.load(anchors + at * 4 + 3, mask=inside, other=0)
    takes_part = inside
    if has_valid:
        offset = image.to(tl.int64) * anchor_count + at
        takes_part = inside & (tl.load(mask + offset, mask=inside, other=0) != 0)
    return at, inside, takes_part, x1, y1, x2, y2


@triton.jit
def _iou(x1, y1, x2, y2, box_x1, box_y1, box_x2, box_y2):
    """IoU (block,) of anchors with a box."""
    width = tl.maximum(tl.minimum(x2, box_x2) - tl.maximum(x1, box_x1), 0)
    height = tl.maximum(tl.minimum(y2, box_y2) - tl.maximum(y1, box_y1), 0)
    common = width * height
    union = (box_x2 - box_x1) * (box_y2 - box_y1) + (x2 - x1) * (y2 - y1) - common
    return tl.div_rn(common, tl.maximum(union, 1e-6))


@triton.jit
def _touches(x1, y1, x2, y2, box_x1, box_y1, box_x2, box_y2):
    """Whether a box meets the extent of a block of anchors."""
    return (box_x1 < x2) & (box_x2 > x1) & (box_y1 < y2) & (box_y2 > y1)


@triton.jit
def _is_box(x1, y1, x2, y2):
    """Whether a box is finite and has an area."""
    infinity = float("inf")
    finite = (tl.abs(x1) < infinity) & (tl.abs(y1) < infinity)
    finite = finite & (tl.abs(x2) < infinity) & (tl.abs(y2) < infinity)
    return finite & (x2 - x1 > 0) & (y2 - y1 > 0)


@triton.jit
def _extent(inside, x1, y1, x2, y2):
    infinity = float("inf")
    left = tl.min(tl.where(inside, x1, infinity), axis=0)
    top = tl.min(tl.where(inside, y1, infinity), axis=0)
    right = tl.max(tl.where(inside, x2, -infinity), axis=0)
    bottom = tl.max(tl.where(inside, y2, -infinity), axis=0)
    return left, top, right, bottom


@triton.jit
def _best_kernel(
    anchors,
    boxes,
    mask,
    best,
    anchor_count,
    count,
    has_valid: tl.constexpr,
    block: tl.constexpr,
):
    """The highest IoU of each box with an anchor that takes part."""
    image = tl.program_id(1)
    _, _, takes_part, x1, y1, x2, y2 = _load_anchors(
        anchors, mask, image, anchor_count, has_valid, block
    )
    left, top, right, bottom = _extent(takes_part, x1, y1, x2, y2)
    g = 0
    while g < count:  # the interpreter of Triton 3.6 has no range over a number of numpy 2.4's
        box = boxes + (image * count + g) * 4
        a, b, c, d = tl.load(box), tl.load(box + 1), tl.load(box + 2), tl.load(box + 3)
        if _is_box(a, b, c, d) & _touches(left, top, right, bottom, a, b, c, d):
            overlap = tl.where(takes_part, _iou(x1, y1, x2, y2, a, b, c, d), 0)
            tl.atomic_max(best + image * count + g, tl.max(overlap, axis=0))
        g += 1


@triton.jit
def _code_kernel(
    anchors,
    boxes,
    mask,
    best,
    codes,
    overlaps,
    low,
    high,
    positive_from,
    least,
    anchor_count,
    count,
    low_quality: tl.constexpr,
    has_overlaps: tl.constexpr,
    background: tl.constexpr,
    ignored: tl.constexpr,
    has_valid: tl.constexpr,
    block: tl.constexpr,
):
    """The first box of an anchor's best IoU decides, then the last box that has it as its best."""
    image = tl.program_id(1)
    at, inside, takes_part, x1, y1, x2, y2 = _load_anchors(
        anchors, mask, image, anchor_count, has_valid, block
    )
    left, top, right, bottom = _extent(takes_part, x1, y1, x2, y2)
    own_best = tl.zeros([block], dtype=tl.float32)
    matched = tl.zeros([block], dtype=tl.int32)
    claimed = tl.full([block], -1, dtype=tl.int32)
    some = count * 0
    g = 0
    while g < count:
        box = boxes + (image * count + g) * 4
        a, b, c, d = tl.load(box), tl.load(box + 1), tl.load(box + 2), tl.load(box + 3)
        good = _is_box(a, b, c, d)
        some = some | good.to(tl.int32)
        if good & _touches(left, top, right, bottom, a, b, c, d):
            overlap = _iou(x1, y1, x2, y2, a, b, c, d)
            matched = tl.where(overlap > own_best, g, matched)
            own_best = tl.maximum(own_best, overlap)
            if low_quality:
                goal = tl.load(best + image * count + g)
                if goal >= least:
                    claimed = tl.where((overlap == goal) & (overlap > 0), g, claimed)
        g += 1
    is_background = (own_best >= low) & (own_best < high) | (some == 0)
    code = tl.where(is_background, background, ignored)
    code = tl.where(own_best >= positive_from, matched, code)
    code = tl.where(claimed >= 0, claimed, code)
    code = tl.where(takes_part, code, ignored)
    offset = image.to(tl.int64) * anchor_count + at
    tl.store(codes + offset, code.to(tl.int64), mask=inside)
    if has_overlaps:
        tl.store(overlaps + offset, tl.where(takes_part, own_best, -1.0), mask=inside)
