"""The assignment on a CPU by compiled C (match.c), for any anchors; equals `match_image`."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import valid_boxes
from ..matching import MatchRule, background_band
from .native import library, pointer
from .threads import shared_out

PAIRS = 1 << 22  # of anchor and box in a share: for fewer a thread is not worth waking
NO_CLAIM = -1.0


@dataclass(frozen=True)
class Matching:
    """One image's input as match.c takes it; all on the CPU and contiguous."""

    anchors: Tensor  # (R, 4) float32
    valid: Tensor | None  # (R,) bool
    boxes: Tensor  # (G, 4) float32, all finite
    has_box: bool  # whether any of them has an area

    @classmethod
    def of(cls, anchors: Tensor, boxes: Tensor, valid: Tensor | None) -> "Matching":
        """Replace a box without area, or not finite, by (0, 0, 0, 0), which overlaps nothing."""
        good = valid_boxes(boxes)
        return cls(
            anchors=anchors.contiguous(),
            valid=None if valid is None else valid.contiguous(),
            boxes=torch.where(good[:, None], boxes.to(anchors), 0).contiguous(),
            has_box=bool(good.any()),
        )


def write_native(
    given: Matching, rule: MatchRule, codes: Tensor, best: Tensor | None = None
) -> None:
    """Fill in the codes (R,) of all anchors, and their best IoU (R,) where it is asked for.

    Args:
        given: coordinates and areas that are far from overflowing.
        rule: thresholds and options; ignore regions are not looked at.
        codes: int64, contiguous.
        best: float32, contiguous.

    Raises:
        NotAvailable: there is no compiler, or it failed.
    """
    code = library("match")
    goals, where = _claims(code, given, rule)
    low, high = background_band(rule)
    low = low if given.has_box else 0.0  # without a box all is background

    def part(first: int, count: int) -> None:
        code.write_codes(
            *_arguments(given, first, count),
            pointer(goals),
            pointer(where),
            *map(ctypes.c_float, (low, high, rule.pos_iou_thr)),
            pointer(codes),
            pointer(best),
        )

    shared_out(part, len(given.anchors), _unit(given))


def _claims(code: ctypes.CDLL, given: Matching, rule: MatchRule) -> tuple[Tensor, Tensor | None]:
    """The IoU (G,) with which each box claims an anchor, and, where it claims one only, which."""
    if not rule.match_low_quality:
        return torch.full((len(given.boxes),), NO_CLAIM), None

    def part(first: int, count: int) -> tuple[Tensor, Tensor]:
        best = torch.zeros(len(given.boxes))
        where = torch.zeros(len(given.boxes), dtype=torch.long)
        code.best_overlaps(*_arguments(given, first, count), pointer(best), pointer(where))
        return best, where

    parts, places = zip(*shared_out(part, len(given.anchors), _unit(given)), strict=True)
    every = torch.stack(parts)  # (shares, G)
    best = every.amax(dim=0)
    goals = torch.where((best > 0) & (best >= rule.min_pos_iou), best, NO_CLAIM)
    if rule.gt_max_assign_all:
        return goals, None
    return goals, torch.stack(places).masked_fill(every < best, len(given.anchors)).amin(dim=0)


def _unit(given: Matching) -> int:
    """Anchors of a share."""
    return PAIRS // (len(given.boxes) + 1) + 1


def _arguments(given: Matching, first: int, count: int) -> tuple[ctypes._SimpleCData, ...]:
    """What both C functions begin with."""
    return (
        pointer(given.anchors),
        pointer(given.valid),
        ctypes.c_int64(first),
        ctypes.c_int64(count),
        pointer(given.boxes),
        ctypes.c_int64(len(given.boxes)),
    )
