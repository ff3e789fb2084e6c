"""The fast forms that label anchors, with the codes of `matching.label_anchors`."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..anchors import AnchorGrid
from ..matching import MatchRule, background_band, match_image
from .blocks import excluded_in_blocks, is_near, match_blocks
from .fallback import CANNOT_RUN, NotAvailable, warn_once
from .native_match import Matching, write_native
from .triton_parts import triton_match
from .windows import label_grid


def match_flat(
    anchors: Tensor,
    boxes: Tensor,
    rule: MatchRule,
    regions: Tensor | None = None,
    valid: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Codes (R,) and best IoU (R,) as `match_image` returns them, by a fast form where one can.

    Any other input, and any other device, is left to plain PyTorch, block after block.
    """
    fast = {"cpu": _native, "cuda": _triton}.get(anchors.device.type)
    if fast is not None and _is_known(anchors, [boxes], rule):
        try:
            return fast(anchors, boxes, rule, _takes_part(anchors, rule, regions, valid))
        except CANNOT_RUN as reason:
            warn_once(f"Anchors are assigned in plain PyTorch, block after block: {reason}.")
    is_common = len(anchors) > 0 and _has_thresholds(rule)
    run = match_blocks if is_common else match_image
    return run(anchors, boxes, rule, regions, valid)


def fast_codes(
    grid: AnchorGrid,
    gt_boxes: list[Tensor],
    rule: MatchRule,
    ignored_boxes: list[Tensor | None],
    valid: Tensor | None,
    form: str,
) -> Tensor | None:
    """Codes (N, R), or None where they have to be found image after image.

    Args:
        grid: the anchors.
        gt_boxes: N tensors (G_i, 4), pixels, xyxy.
        rule: thresholds and options.
        ignored_boxes: N tensors of crowd or ignore regions, or None.
        valid: (N, R) bool, or None where every anchor takes part.
        form: `windowed` (on the CPU), `masked` (nothing waits for the device), or `plain`.
    """
    if form == "plain":
        return None
    anchors = grid.flat()
    if form == "windowed" and _is_known(anchors, gt_boxes, rule):
        try:
            return _native_codes(anchors, gt_boxes, rule, ignored_boxes, valid)
        except NotAvailable:  # windows need no compiler
            pass
    has_regions = rule.ignore_iof_thr > 0 and any(
        regions is not None and len(regions) > 0 for regions in ignored_boxes
    )
    if form == "windowed" and not has_regions and grid.is_regular:
        return label_grid(grid, gt_boxes, rule, valid)
    if form == "masked" and not has_regions and rule.gt_max_assign_all:
        try:
            code = triton_match(anchors.device.type)
            return code.label_padded(anchors, _padded(anchors, gt_boxes), rule, valid)
        except CANNOT_RUN as reason:
            warn_once(f"Anchors are assigned by the plain form, image after image: {reason}.")
    return None


def _is_known(anchors: Tensor, gt_boxes: list[Tensor], rule: MatchRule) -> bool:
    """Whether the compiled forms compute what the plain one does."""
    is_usual = anchors.dtype == torch.float32 and anchors.shape[1:] == (4,)
    return is_usual and _has_thresholds(rule) and is_near(anchors, gt_boxes)


def _has_thresholds(rule: MatchRule) -> bool:
    """Whether they are what the assigner checks at first; a detector may set others later."""
    low, high = background_band(rule)
    return low >= 0 and high > 0 and rule.pos_iou_thr > 0


def _takes_part(
    anchors: Tensor, rule: MatchRule, regions: Tensor | None, valid: Tensor | None
) -> Tensor | None:
    """Anchors (R,) that take part; None where all do."""
    if rule.ignore_iof_thr <= 0 or regions is None or len(regions) == 0:
        return valid
    return ~excluded_in_blocks(anchors, rule, regions, valid)


def _native(
    anchors: Tensor, boxes: Tensor, rule: MatchRule, valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    codes = torch.empty(len(anchors), dtype=torch.long)
    best = torch.empty(len(anchors))
    write_native(Matching.of(anchors, boxes, valid), rule, codes, best)
    return codes, best


def _native_codes(
    anchors: Tensor,
    gt_boxes: list[Tensor],
    rule: MatchRule,
    ignored_boxes: list[Tensor | None],
    valid: Tensor | None,
) -> Tensor:
    codes = torch.empty((len(gt_boxes), len(anchors)), dtype=torch.long)
    flags = [None] * len(gt_boxes) if valid is None else list(valid)
    for own, boxes, regions, flag in zip(codes, gt_boxes, ignored_boxes, flags, strict=True):
        takes_part = _takes_part(anchors, rule, regions, flag)
        write_native(Matching.of(anchors, boxes, takes_part), rule, own)
    return codes


def _triton(
    anchors: Tensor, boxes: Tensor, rule: MatchRule, valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    if not rule.gt_max_assign_all:
        raise NotAvailable("gt_max_assign_all=False has no Triton kernel")
    best = anchors.new_empty((1, len(anchors)))
    flags = None if valid is None else valid[None]
    code = triton_match(anchors.device.type)
    codes = code.label_padded(anchors.contiguous(), _padded(anchors, [boxes]), rule, flags, best)
    return codes[0], best[0]


def _padded(anchors: Tensor, gt_boxes: list[Tensor]) -> Tensor:
    """(N, G, 4), filled up with NaN, which matches nothing."""
    boxes = [each.to(anchors) for each in gt_boxes]
    return pad_sequence(boxes, batch_first=True, padding_value=float("nan"))
