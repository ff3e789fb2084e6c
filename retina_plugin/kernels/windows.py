"""The assignment on a CPU without the G x R matrix: anchors are a grid, so few can matter to a box.

An anchor of IoU t or more with a box has its centre inside a small window around the box's centre,
known for each of the grid's anchor shapes. Only those pairs are looked at, all images at once.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..anchors import AnchorGrid
from ..boxes import box_sizes, iou, valid_boxes
from ..matching import BACKGROUND, IGNORED, MatchRule, background_band, is_background

# Windows are computed for a slightly lower IoU and a little wider, so that rounding leaves no
# anchor out; what lies in a window is then decided by the IoU itself.
SLACK = 1e-4
CELL_SLACK = 1e-3
PAIRS_AT_ONCE = 1 << 21  # bounds the memory at some 200 MB for any number of boxes


@dataclass(frozen=True)
class Shapes:
    """The S anchors of one cell of every level, and the cells that repeat them."""

    boxes: Tensor  # (S, 4) float64, of the cell at the top left
    cells: Tensor  # (S, 2) columns and rows of the level
    strides: Tensor  # (S, 2) pixels, horizontal and vertical
    first: Tensor  # (S,) index among all R
    per_cell: Tensor  # (S,) anchors of a cell

    @classmethod
    def of(cls, grid: AnchorGrid) -> "Shapes":
        """The shapes of a grid."""
        counts = torch.tensor(grid.anchors_per_cell)
        level = torch.arange(len(counts)).repeat_interleave(counts)
        lengths = torch.tensor([len(anchors) for anchors in grid.levels])
        starts = lengths.cumsum(0) - lengths
        within = torch.arange(len(level)) - (counts.cumsum(0) - counts)[level]
        top_left = [a[:n] for a, n in zip(grid.levels, grid.anchors_per_cell, strict=True)]
        return cls(
            boxes=torch.cat(top_left).double(),
            cells=torch.tensor([(width, height) for height, width in grid.sizes])[level],
            strides=torch.tensor(grid.strides)[level],
            first=starts[level] + within,
            per_cell=counts[level],
        )

    def anchor(self, shape: Tensor, column: Tensor, row: Tensor) -> Tensor:
        """Index among all R anchors."""
        cell = row * self.cells[shape, 0] + column
        return self.first[shape] + cell * self.per_cell[shape]

    def offsets(self, boxes: Tensor) -> Tensor:
        """Cells (G, S, 2) from the top left anchor's centre to that of each box (G, 4)."""
        return (_centres(boxes)[:, None] - _centres(self.boxes)) / self.strides


@dataclass(frozen=True)
class Windows:
    """Cells of each of G boxes' windows, one window a shape."""

    first: Tensor  # (G, S, 2) column and row
    extent: Tensor  # (G, S, 2) columns and rows, may be 0


@dataclass(frozen=True)
class Pairs:
    """Box and anchor of P pairs that may match."""

    box: Tensor  # (P,) over all images
    anchor: Tensor  # (P,) over all images
    iou: Tensor  # (P,)


def label_grid(
    grid: AnchorGrid, gt_boxes: list[Tensor], rule: MatchRule, valid: Tensor | None = None
) -> Tensor:
    """What `label_anchors(grid.flat(), gt_boxes, rule, valid=valid)` returns: codes (N, R).

    Args:
        grid: on the CPU.
        gt_boxes: N tensors (G_i, 4), pixels, xyxy.
        rule: thresholds and options; ignore regions are not looked at.
        valid: (N, R) bool, or None where every anchor takes part.
    """
    with torch.device("cpu"):  # whatever the process makes its tensors on
        return _label_grid(grid, gt_boxes, rule, valid)


def _label_grid(
    grid: AnchorGrid, gt_boxes: list[Tensor], rule: MatchRule, valid: Tensor | None
) -> Tensor:
    counts = torch.tensor([len(boxes) for boxes in gt_boxes])
    unmatched = IGNORED if background_band(rule)[0] > 0 else BACKGROUND
    boxes = torch.cat(gt_boxes).to(grid.flat())
    image = torch.arange(len(gt_boxes)).repeat_interleave(counts)
    some = image[valid_boxes(boxes)].bincount(minlength=len(gt_boxes)) > 0
    codes = torch.where(some, unmatched, BACKGROUND)[:, None].repeat(1, len(grid.flat()))
    if len(boxes):
        within = torch.arange(len(boxes)) - (counts.cumsum(0) - counts)[image]
        pairs = _candidates(grid, boxes, image, rule, valid)
        _settle(codes.view(-1), pairs, within, rule)
    return codes if valid is None else codes.masked_fill_(~valid, IGNORED)


def _candidates(
    grid: AnchorGrid, boxes: Tensor, image: Tensor, rule: MatchRule, valid: Tensor | None
) -> Pairs:
    """All pairs of an IoU that decides a code, or that is the best of its box."""
    shapes = Shapes.of(grid)
    good = valid_boxes(boxes)
    low, high = background_band(rule)
    thresholds = boxes.new_full((len(boxes),), low if low > 0 else high)
    if rule.match_low_quality:
        reached = _reached(grid, shapes, boxes, image, valid)
        thresholds = torch.minimum(thresholds, reached)
    windows = _windows(shapes, boxes, thresholds.masked_fill(~good, 1))
    # Where no anchor near a box takes part or overlaps it, all anchors are looked at.
    lost = good & (thresholds <= 0)
    sizes = windows.extent.prod(-1).masked_fill_((~good | lost)[:, None], 0)  # (G, S)
    count = len(grid.flat())
    lists = itertools.chain(
        _pairs_in(windows, sizes, shapes),
        ((box.expand(count), torch.arange(count)) for box in lost.nonzero()),
    )
    return _merged(
        _measured(grid, boxes, image, box, anchor, thresholds, valid) for box, anchor in lists
    )


def _reached(
    grid: AnchorGrid, shapes: Shapes, boxes: Tensor, image: Tensor, valid: Tensor | None
) -> Tensor:
    """IoU (G,) that a box is known to reach: with the anchors nearest to it, one a shape."""
    nearest = shapes.offsets(boxes).nan_to_num_(0).round_()
    nearest = nearest.clamp_(min=0).minimum(shapes.cells - 1).long()  # (G, S, 2)
    anchor = shapes.anchor(torch.arange(len(shapes.first)), nearest[..., 0], nearest[..., 1])
    overlap = iou(boxes[:, None], grid.flat()[anchor])
    if valid is not None:
        overlap.masked_fill_(~valid[image[:, None], anchor], 0)
    return overlap.amax(dim=1)


def _windows(shapes: Shapes, boxes: Tensor, thresholds: Tensor) -> Windows:
    """Windows that hold every anchor of an IoU of `thresholds` (G,) or more.

    IoU >= t asks for an intersection I >= t (A + B) / (1 + t), so for an overlap of at least I / h
    in width, h being the smaller of the heights, and one centre at most so far from the other.
    """
    size, own = box_sizes(boxes.double())[:, None], box_sizes(shapes.boxes)  # (G, 1, 2), (S, 2)
    t = (thresholds.double() * (1 - SLACK))[:, None]
    least = t / (1 + t) * (size.prod(-1) + own.prod(-1))  # (G, S)
    smaller = torch.minimum(size, own)
    overlap = least[..., None] / smaller.flip(-1)  # of widths, of heights
    reach = ((size + own) / 2 - overlap) / shapes.strides + CELL_SLACK
    centre = shapes.offsets(boxes)
    first = (centre - reach).ceil().clamp(min=0).minimum(shapes.cells)
    last = (centre + reach).floor().clamp(min=-1).minimum(shapes.cells - 1)
    possible = (overlap <= smaller * (1 + SLACK)).all(-1, keepdim=True)
    extent = torch.where(possible, (last - first + 1).clamp(min=0), 0)
    return Windows(first.nan_to_num(0).long(), extent.nan_to_num(0).long())


def _pairs_in(windows: Windows, sizes: Tensor, shapes: Shapes) -> Iterator[tuple[Tensor, Tensor]]:
    """Boxes (P,) and anchors (P,) of all windows, in parts of bounded size."""
    part = sizes.sum(1).cumsum(0) // PAIRS_AT_ONCE
    for boxes in torch.arange(len(sizes)).split(
        part.unique_consecutive(return_counts=True)[1].tolist()
    ):
        count = sizes[boxes].flatten()
        window = torch.arange(len(count)).repeat_interleave(count)
        place = torch.arange(len(window)) - (count.cumsum(0) - count)[window]
        first = windows.first[boxes].flatten(0, 1)[window]
        columns = windows.extent[boxes, :, 0].flatten()[window]
        shape = window % len(shapes.first)
        row = place.div(columns, rounding_mode="floor")
        anchor = shapes.anchor(shape, first[:, 0] + place - row * columns, first[:, 1] + row)
        yield boxes[window.div(len(shapes.first), rounding_mode="floor")], anchor


def _measured(
    grid: AnchorGrid,
    boxes: Tensor,
    image: Tensor,
    box: Tensor,
    anchor: Tensor,
    thresholds: Tensor,
    valid: Tensor | None,
) -> Pairs:
    """Those of the pairs that reach the threshold of their box."""
    overlap = iou(boxes[box], grid.flat()[anchor])
    enough = (overlap > 0) & (overlap >= thresholds[box])
    if valid is not None:
        enough &= valid[image[box], anchor]
    box, anchor = box[enough], anchor[enough]
    return Pairs(box, anchor + image[box] * len(grid.flat()), overlap[enough])


def _merged(parts: Iterator[Pairs]) -> Pairs:
    every = list(parts)
    return Pairs(
        torch.cat([pairs.box for pairs in every]),
        torch.cat([pairs.anchor for pairs in every]),
        torch.cat([pairs.iou for pairs in every]),
    )


def _settle(codes: Tensor, pairs: Pairs, within: Tensor, rule: MatchRule) -> None:
    """Write the codes (N R,) of all anchors that are in a pair.

    Args:
        codes: of the anchors of all images.
        pairs: the candidates.
        within: (G,) index of each box in its own image.
        rule: thresholds and options.
    """
    own = within[pairs.box]
    best = pairs.iou.new_zeros(len(codes)).scatter_reduce_(0, pairs.anchor, pairs.iou, "amax")[
        pairs.anchor
    ]
    matched = _extreme(codes, pairs.anchor, own, pairs.iou == best, "amin")
    code = torch.where(is_background(best, rule), BACKGROUND, IGNORED)
    codes[pairs.anchor] = torch.where(best >= rule.pos_iou_thr, matched, code)
    if rule.match_low_quality:
        claims = _claims(pairs, len(within), rule)
        last = _extreme(codes, pairs.anchor, own, claims, "amax")
        codes[pairs.anchor[claims]] = last[claims]


def _extreme(codes: Tensor, anchor: Tensor, box: Tensor, chosen: Tensor, kind: str) -> Tensor:
    """For each pair (P,) the first or last box among the chosen pairs of its anchor."""
    found = torch.zeros_like(codes)
    found.scatter_reduce_(0, anchor[chosen], box[chosen], kind, include_self=False)
    return found[anchor]


def _claims(pairs: Pairs, count: int, rule: MatchRule) -> Tensor:
    """Pairs (P,) whose anchor is the best of its box: all equally good ones, or the first."""
    best = pairs.iou.new_zeros(count)
    best = best.scatter_reduce_(0, pairs.box, pairs.iou, "amax")[pairs.box]
    claims = (pairs.iou == best) & (best >= rule.min_pos_iou)
    if rule.gt_max_assign_all:
        return claims
    first = pairs.anchor.new_zeros(count)
    first.scatter_reduce_(0, pairs.box[claims], pairs.anchor[claims], "amin", include_self=False)
    return claims & (pairs.anchor == first[pairs.box])


def _centres(boxes: Tensor) -> Tensor:
    """Centres (..., 2) of boxes (..., 4)."""
    return (boxes[..., :2].double() + boxes[..., 2:].double()) / 2
