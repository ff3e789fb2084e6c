"""Thousands of boxes in one image: memory of the assignment, and whether it stays the plain one."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from ..analysis.benchmark.setting import Setting, boxes_of, grid_of
from ..analysis.timing import peak_bytes
from ..anchors import AnchorGrid
from ..boxes import pairwise_iou
from ..kernels.assignment import fast_codes
from ..matching import BACKGROUND, IGNORED, PAPER_RULE, MatchRule, is_background
from ..targets import target_form
from .row import Outcome, Row, tally

SETTING = Setting(height=800, width=1344, gts=5000)  # 201,600 anchors
LIMIT = 10**9  # bytes
AT_ONCE = 16  # boxes of the reference
MB = 10**6


def _crowd() -> Tensor:
    """Boxes of 8 to 24 px on a lattice, as in a picture of cells."""
    rows, columns = torch.meshgrid(torch.arange(50), torch.arange(100), indexing="ij")
    corner = torch.stack([columns * 13.0, rows * 15.5], dim=-1).flatten(0, 1)
    size = 8 + 16 * torch.rand(len(corner), 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([corner, corner + size], dim=1)


def _whole_image() -> Tensor:
    """Boxes almost as large as the image, each of which many anchors overlap."""
    edges = torch.rand(SETTING.gts, 4, generator=torch.Generator().manual_seed(1)) * 60
    return torch.tensor([0.0, 0.0, SETTING.width, SETTING.height]) + edges * torch.tensor(
        [1, 1, -1, -1]
    )


CASES: dict[str, Callable[[], Tensor]] = {
    "20 to 300 px": partial(boxes_of, SETTING),
    "a lattice of small ones": _crowd,
    "as large as the image": _whole_image,
}


def codes_in_parts(anchors: Tensor, boxes: Tensor, rule: MatchRule = PAPER_RULE) -> Tensor:
    """Codes (R,) by the overlaps of all anchors with a few boxes at a time.

    For boxes that all overlap an anchor, and the paper's rule: every best anchor of a box is its.
    """
    best = torch.zeros(len(anchors))
    matched = torch.zeros(len(anchors), dtype=torch.long)
    claimed = torch.full((len(anchors),), BACKGROUND)
    for first in range(0, len(boxes), AT_ONCE):
        iou = pairwise_iou(boxes[first : first + AT_ONCE], anchors)  # (G, R)
        highest, box = iou.max(dim=0)
        matched = torch.where(highest > best, box + first, matched)
        best = torch.maximum(best, highest)
        box, anchor = (iou == iou.amax(dim=1, keepdim=True)).nonzero(as_tuple=True)
        claimed.scatter_reduce_(0, anchor, box + first, "amax")
    codes = torch.where(is_background(best, rule), BACKGROUND, IGNORED)
    codes = torch.where(best >= rule.pos_iou_thr, matched, codes)
    return torch.where(claimed >= 0, claimed, codes)


def _trial(name: str, grid: AnchorGrid) -> tuple[str | None, int]:
    """What is wrong, and the bytes that the assignment took."""
    boxes, form = CASES[name](), target_form("auto", "cpu")
    assign = partial(fast_codes, grid, [boxes], PAPER_RULE, [None], None, form)
    taken = peak_bytes(assign, "cpu")
    codes = assign()
    assert codes is not None
    differ = int((codes[0] != codes_in_parts(grid.flat(), boxes)).sum())
    if taken < LIMIT and not differ:
        return None, taken
    return f"{name}: {taken / MB:.0f} MB, {differ} anchors differ from the plain form", taken


def _results(trials: int) -> Iterator[tuple[str | None, int]]:
    grid = grid_of(SETTING)
    for name in list(CASES)[:trials]:
        yield _trial(name, grid)


def _ours(trials: int) -> Outcome:
    failures, taken = zip(*_results(trials), strict=True)
    note = (
        f"{len(grid_of(SETTING).flat())} anchors, {SETTING.gts} boxes: at most "
        f"{max(taken) / MB:.0f} MB; stock, not tried, would take 36 GB"
    )
    return tally(failures, note)


ROWS = (
    Row(
        "N5",
        "assignment of thousands of boxes: below 1 GB, every anchor as by the plain form",
        _ours,
        trials=len(CASES),
    ),
)
