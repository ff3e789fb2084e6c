"""The fast forms that label anchors, with the codes of `matching.label_anchors`."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..anchors import AnchorGrid
from ..compat.torch_features import outside_graphs
from ..matching import MatchRule, background_band, match_image
from .blocks import excluded_in_blocks, is_near, match_blocks
from .fallback import CANNOT_RUN, NotAvailable, warn_once
from .native_match import Matching, Wanted, write_native
from .triton_parts import triton_match
from .windows import label_grid

SMALL = 1 << 17  # IoUs of a matrix that is no trouble


class Given(NamedTuple):
    """One image to assign."""

    anchors: Tensor  # (R, 4) pixels, xyxy
    boxes: Tensor  # (G, 4)
    rule: MatchRule
    valid: Tensor | None  # (R,) bool, or None where every anchor takes part
    gt_labels: Tensor | None = None  # (G,), where codes and labels are wanted as MMDetection's


Found = tuple[Tensor, Tensor, Tensor | None]  # codes, best IoU, labels if they were given


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
    valid = _takes_part(anchors, rule, regions, valid)
    codes, best, _ = _fastest(Given(anchors, boxes, rule, valid))
    return codes, best


def assign_flat(
    anchors: Tensor,
    boxes: Tensor,
    gt_labels: Tensor,
    rule: MatchRule,
    regions: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in MMDetection's codes, the first box being 1, with the boxes' labels (R,).

    Args:
        anchors: (R, 4) pixels, xyxy.
        boxes: (G, 4)
        gt_labels: (G,) on the anchors' device.
        rule: thresholds and options.
        regions: crowd or ignore regions.

    Returns:
        Codes (R,), best IoU (R,), and the label (R,) of each anchor's box, -1 for none.
    """
    valid = _takes_part(anchors, rule, regions, None)
    gt_inds, best, labels = _fastest(Given(anchors, boxes, rule, valid, gt_labels))
    assert labels is not None
    return gt_inds, best, labels


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
    if form == "windowed":
        return _on_the_cpu(grid, gt_boxes, rule, ignored_boxes, valid)
    if form == "masked" and not _has_regions(rule, ignored_boxes) and rule.gt_max_assign_all:
        try:
            code = triton_match(grid.flat().device.type)
            return code.label_padded(grid.flat(), _padded(grid.flat(), gt_boxes), rule, valid)
        except CANNOT_RUN as reason:
            warn_once(f"Anchors are assigned by the plain form, image after image: {reason}.")
    return None


def _on_the_cpu(
    grid: AnchorGrid,
    gt_boxes: list[Tensor],
    rule: MatchRule,
    ignored_boxes: list[Tensor | None],
    valid: Tensor | None,
) -> Tensor | None:
    """Codes (N, R) by compiled code, or by windows, which need no compiler."""
    anchors = grid.flat()
    codes = anchors.new_empty((len(gt_boxes), len(anchors)), dtype=torch.long)
    flags = [None] * len(gt_boxes) if valid is None else list(valid)
    images = zip(gt_boxes, ignored_boxes, flags, codes, strict=True)
    try:
        written = [
            _write(Given(anchors, boxes, rule, _takes_part(anchors, rule, *rest)), Wanted(own))
            for boxes, *rest, own in images
        ]
    except NotAvailable:
        written = [False]
    if all(written):
        return codes
    if _has_regions(rule, ignored_boxes) or not grid.is_regular:
        return None
    return label_grid(grid, gt_boxes, rule, valid)


def _has_regions(rule: MatchRule, ignored_boxes: list[Tensor | None]) -> bool:
    given = any(regions is not None and len(regions) > 0 for regions in ignored_boxes)
    return given and rule.ignore_iof_thr > 0


def _takes_part(
    anchors: Tensor, rule: MatchRule, regions: Tensor | None, valid: Tensor | None
) -> Tensor | None:
    """Anchors (R,) that take part; None where all do."""
    if not _has_regions(rule, [regions]):
        return valid
    return ~excluded_in_blocks(anchors, rule, regions, valid)


def _fastest(given: Given) -> Found:
    """What `match_flat` or, with labels, `assign_flat` returns."""
    fast = {"cpu": _native, "cuda": _triton}.get(given.anchors.device.type, _blockwise)
    try:
        found = fast(given)
    except CANNOT_RUN as reason:
        warn_once(f"Anchors are assigned in plain PyTorch, block after block: {reason}.")
        found = None
    return found or _blockwise(given)


def _native(given: Given) -> Found | None:
    best = given.anchors.new_empty(len(given.anchors))
    codes = torch.empty_like(best, dtype=torch.long)
    wanted = Wanted(codes, best)
    if given.gt_labels is not None:
        if given.gt_labels.shape != given.boxes.shape[:1]:
            return None
        own_labels = given.gt_labels.long().contiguous()
        wanted = Wanted(codes, best, 1, own_labels, torch.empty_like(codes))
    return (codes, best, wanted.labels) if _write(given, wanted) else None


@outside_graphs
def _write(given: Given, wanted: Wanted) -> bool:
    """Run the compiled code if it knows the input."""
    if not _is_usual(given):
        return False
    matching = Matching.of(given.anchors, given.boxes, given.valid)
    if matching is None:
        return False
    write_native(matching, given.rule, wanted)
    return True


def _triton(given: Given) -> Found | None:
    anchors, boxes, rule, valid, gt_labels = given
    if not (_is_usual(given) and rule.gt_max_assign_all and is_near(anchors, boxes)):
        return None
    best = anchors.new_empty((1, len(anchors)))
    flags = None if valid is None else valid[None]
    code = triton_match(anchors.device.type)
    codes = code.label_padded(anchors.contiguous(), boxes[None], rule, flags, best)
    return _with_labels(codes[0], best[0], gt_labels)


def _blockwise(given: Given) -> Found:
    anchors, boxes, rule, valid, gt_labels = given
    if len(anchors) * len(boxes) > SMALL and _has_thresholds(rule):
        return _with_labels(*match_blocks(anchors, boxes, rule, valid), gt_labels)
    return _with_labels(*match_image(anchors, boxes, rule, None, valid), gt_labels)


def _with_labels(codes: Tensor, best: Tensor, gt_labels: Tensor | None) -> Found:
    """With labels in MMDetection's codes."""
    if gt_labels is None:
        return codes, best, None
    gt_inds, labels = codes.add_(1), torch.full_like(codes, -1)
    positive = (gt_inds > 0).nonzero()[:, 0]
    labels[positive] = gt_labels[gt_inds[positive] - 1].to(labels)
    return gt_inds, best, labels


def _is_usual(given: Given) -> bool:
    """Whether the compiled forms know types, shapes and thresholds."""
    anchors, boxes = given.anchors, given.boxes
    are_boxes = len(anchors) > 0 and anchors.shape[1:] == boxes.shape[1:] == (4,)
    is_single = anchors.dtype == boxes.dtype == torch.float32
    return (
        are_boxes and is_single and anchors.device == boxes.device and _has_thresholds(given.rule)
    )


def _has_thresholds(rule: MatchRule) -> bool:
    """Whether they are what the assigner checks at first; a detector may set others later."""
    low, high = background_band(rule)
    return low >= 0 and high > 0 and rule.pos_iou_thr > 0


def _padded(anchors: Tensor, gt_boxes: list[Tensor]) -> Tensor:
    """(N, G, 4), filled up with NaN, which matches nothing."""
    boxes = [each.to(anchors) for each in gt_boxes]
    return pad_sequence(boxes, batch_first=True, padding_value=float("nan"))
