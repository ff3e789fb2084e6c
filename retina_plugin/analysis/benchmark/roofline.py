"""What the machine allows: the time in which nothing but the necessary bytes or products happen."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...precision import chosen_dtype
from .setting import STOCK, Setting, grid_of
from .stages import STAGES

COPY = 1 << 26  # elements of float32: more than any cache holds
SIDE = 4096  # of the matrices whose product is timed
FLOAT, CODE, BOX = 4, 8, 16  # bytes of a logit, a code, an anchor


@dataclass(frozen=True)
class Limits:
    """Measured rates of the device."""

    bytes_per_second: float  # read and written by a copy
    flop_per_second: float  # of a matrix product in the precision that ours runs in

    def __str__(self) -> str:
        """In words."""
        return (
            f"a copy moves {self.bytes_per_second / 1e9:.1f} GB/s, a matrix product runs at "
            f"{self.flop_per_second / 1e12:.2f} TFLOP/s"
        )


def measured_limits(device: str) -> Limits:
    """Median rates of a large copy and of a large matrix product."""
    dtype = getattr(torch, chosen_dtype("auto", device))
    source = torch.ones(COPY, device=device)
    target = torch.empty_like(source)
    matrix = torch.randn(SIDE, SIDE, device=device).to(dtype)
    copy = _seconds(lambda: target.copy_(source), device)
    product = _seconds(lambda: matrix @ matrix, device)
    return Limits(2 * source.nbytes / copy, 2 * SIDE**3 / product)


def _seconds(run: Callable[[], Any], device: str) -> float:
    times = []
    for _ in range(6):
        started = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def least_seconds(stage: str, setting: Setting, limits: Limits) -> float | None:
    """The time below which no implementation gets; None where it is not about tensors."""
    if stage in ("train", "inference"):
        return _flop(stage, setting) / limits.flop_per_second
    anchors = len(grid_of(setting).flat())
    pairs = anchors * setting.classes
    moved = {
        "loss": 2 * pairs * FLOAT,  # logits read, gradient written
        "assignment": anchors * (BOX + CODE),
        "assigner": anchors * (BOX + 2 * CODE + FLOAT),  # codes, labels, best IoUs
        "targets": setting.batch * anchors * 2 * CODE,  # codes, labels
        "predict": setting.batch * pairs * FLOAT,  # logits read
    }
    return moved[stage] / limits.bytes_per_second if stage in moved else None


def _flop(stage: str, setting: Setting) -> int:
    """Of MMDetection's step, in which PyTorch's counter knows every convolution."""
    step = STAGES[stage](setting)[STOCK]
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
