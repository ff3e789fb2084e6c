"""The fast form that labels the anchors of a batch, with the codes of `label_anchors`."""

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..anchors import AnchorGrid
from ..matching import MatchRule
from .fallback import CANNOT_RUN, warn_once
from .triton_parts import triton_match
from .windows import label_grid


def fast_codes(
    grid: AnchorGrid,
    gt_boxes: list[Tensor],
    rule: MatchRule,
    ignored_boxes: list[Tensor | None],
    valid: Tensor | None,
    form: str,
) -> Tensor | None:
    """Codes (N, R), or None where the plain form has to give them.

    Args:
        grid: the anchors.
        gt_boxes: N tensors (G_i, 4), pixels, xyxy.
        rule: thresholds and options.
        ignored_boxes: N tensors of crowd or ignore regions, or None.
        valid: (N, R) bool, or None where every anchor takes part.
        form: `windowed` (a grid on the CPU), `masked` (nothing waits for the device), or `plain`.
    """
    has_regions = rule.ignore_iof_thr > 0 and any(
        regions is not None and len(regions) > 0 for regions in ignored_boxes
    )
    if form == "windowed" and not has_regions and grid.is_regular:
        return label_grid(grid, gt_boxes, rule, valid)
    if form == "masked" and not has_regions and rule.gt_max_assign_all:
        try:
            code = triton_match(grid.flat().device.type)
            return code.label_padded(grid.flat(), _padded(grid, gt_boxes), rule, valid)
        except CANNOT_RUN as reason:
            warn_once(f"Anchors are assigned by the plain form, image after image: {reason}.")
    return None


def _padded(grid: AnchorGrid, gt_boxes: list[Tensor]) -> Tensor:
    """(N, G, 4), filled up with NaN, which matches nothing."""
    boxes = [each.to(grid.flat()) for each in gt_boxes]
    return pad_sequence(boxes, batch_first=True, padding_value=float("nan"))
