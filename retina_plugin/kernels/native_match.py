"""The assignment on a CPU by compiled C (match.c), for any anchors; equals `match_image`."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from ..matching import MatchRule, background_band
from .blocks import FAR
from .native import library, pointer
from .threads import shared_out

PAIRS = 1 << 22  # of anchor and box in a share: for fewer a thread is not worth waking


@dataclass(frozen=True)
class Matching:
    """One image's input as match.c takes it; all on the CPU and contiguous."""

    anchors: Tensor  # (R, 4) float32
    valid: Tensor | None  # (R,) bool
    boxes: Tensor  # (G, 4) float32; one that is no box is (0, 0, 0, 0)
    has_box: bool

    @classmethod
    def of(cls, anchors: Tensor, boxes: Tensor, valid: Tensor | None) -> "Matching | None":
        """None where an IoU could overflow or become NaN.

        Args:
            anchors: (R, 4) float32.
            boxes: (G, 4) float32.
            valid: (R,) bool.

        Raises:
            NotAvailable: there is no compiler, or it failed.
        """
        anchors, boxes = anchors.contiguous(), boxes.contiguous()
        valid = None if valid is None else valid.contiguous()
        clean = torch.empty_like(boxes)
        found = library("match").prepare(
            pointer(anchors),
            pointer(valid),
            ctypes.c_int64(len(anchors)),
            pointer(boxes),
            ctypes.c_int64(len(boxes)),
            ctypes.c_float(FAR),
            pointer(clean),
        )
        return cls(anchors, valid, clean, has_box=found == 2) if found else None


@dataclass(frozen=True)
class Wanted:
    """What match.c fills in, contiguous tensors of the R anchors."""

    codes: Tensor  # (R,) int64
    best: Tensor | None = None  # (R,) float32, best IoU
    base: int = 0  # code of the first box
    box_labels: Tensor | None = None  # (G,) int64
    labels: Tensor | None = None  # (R,) int64


def write_native(given: Matching, rule: MatchRule, wanted: Wanted) -> None:
    """Fill in what is wanted; ignore regions are not looked at.

    PyTorch's own functions are left out: one that runs on several threads waits for all of them,
    which on a busy machine takes longer than the assignment.
    """
    code = library("match")
    goals, where = _goals(code, given, rule)
    low, high = background_band(rule)
    low = low if given.has_box else 0.0  # without a box all is background

    def part(first: int, count: int) -> None:
        code.write_codes(
            *_arguments(given, first, count),
            pointer(goals),
            pointer(None if rule.gt_max_assign_all else where),
            *map(ctypes.c_float, (low, high, rule.pos_iou_thr)),
            ctypes.c_int64(wanted.base),
            *map(pointer, (wanted.codes, wanted.best, wanted.box_labels, wanted.labels)),
        )

    shared_out(part, len(given.anchors), _unit(given))


def _goals(code: ctypes.CDLL, given: Matching, rule: MatchRule) -> tuple[Tensor, Tensor]:
    """Of each box the IoU (G,) with which it claims an anchor, and the first anchor (G,) of it."""

    def part(first: int, count: int) -> tuple[Tensor, Tensor]:
        best = given.boxes.new_zeros(len(given.boxes))
        where = torch.zeros_like(best, dtype=torch.long)
        if rule.match_low_quality:
            code.best_overlaps(*_arguments(given, first, count), pointer(best), pointer(where))
        return best, where

    best, where = zip(*shared_out(part, len(given.anchors), _unit(given)), strict=True)
    goals, places = torch.stack(best), torch.stack(where)  # (shares, G)
    shape = map(ctypes.c_int64, goals.shape)
    code.set_goals(pointer(goals), pointer(places), *shape, ctypes.c_float(rule.min_pos_iou))
    return goals[0], places[0]


def _unit(given: Matching) -> int:
    """Anchors of a share."""
    return PAIRS // (len(given.boxes) + 1) + 1


def _arguments(given: Matching, first: int, count: int) -> tuple[ctypes._SimpleCData, ...]:
    """What the functions begin with that run on a share."""
    return (
        pointer(given.anchors),
        pointer(given.valid),
        ctypes.c_int64(first),
        ctypes.c_int64(count),
        pointer(given.boxes),
        ctypes.c_int64(len(given.boxes)),
    )
