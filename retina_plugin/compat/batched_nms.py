"""NMS over several classes that one bad candidate cannot switch off.

mmcv moves the boxes of each class apart by the largest coordinate. One that is NaN or infinite
makes all coordinates NaN; in half precision the shift itself passes 65504 from some class on; and
without boxes there is no largest one.
"""

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..log import warn
from ..nms import at_least_float32


def install() -> None:
    """Put the guard around mmcv's function, also in modules that have imported it already."""
    ops: Any = importlib.import_module("mmcv.ops")  # needs the stand-ins in place
    plain = ops.batched_nms
    if not hasattr(plain, "__wrapped__"):
        replace_everywhere(plain, guarded(plain))


def replace_everywhere(plain: Callable, guard: Callable) -> None:
    """Put `guard` in the place of `plain` in every module that has it under its own name.

    MMDetection's tools may have imported its heads before a config names this package.
    """
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        if names.get(plain.__name__) is plain:
            names[plain.__name__] = guard


def guarded(batched_nms: Callable) -> Callable:
    """The same function for finite boxes in float32; others are dropped and counted."""

    @functools.wraps(batched_nms)
    def run(
        boxes: Tensor,
        scores: Tensor,
        idxs: Tensor,
        nms_cfg: dict | None,
        class_agnostic: bool = False,
    ) -> tuple[Tensor, Tensor]:
        if torch.onnx.is_in_onnx_export():
            return batched_nms(boxes, scores, idxs, nms_cfg, class_agnostic)
        finite = boxes.isfinite().all(-1) & scores.isfinite()
        chosen = None if finite.all() else finite.nonzero()[:, 0]
        if chosen is not None:
            _say_dropped(len(boxes) - len(chosen), len(boxes))
            boxes, scores, idxs = boxes[chosen], scores[chosen], idxs[chosen]
        if len(boxes) == 0:
            keep = torch.zeros(0, dtype=torch.long, device=boxes.device)
            return torch.cat([boxes, scores[:, None]], dim=-1), keep
        found, keep = batched_nms(at_least_float32(boxes), scores, idxs, nms_cfg, class_agnostic)
        return found.to(boxes.dtype), keep if chosen is None else chosen[keep]

    return run


def _say_dropped(dropped: int, total: int) -> None:
    warn(
        f"{dropped} of {total} candidates of an image are not finite and were dropped before NMS; "
        "the weights or the image hold NaN or infinity."
    )
