"""Time and peak memory of functions that are measured in turn, on a machine that is not quiet."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from ..kernels.focal import GRADIENTS

MEMORY_EVENT = "[memory]"


@dataclass(frozen=True)
class Measured:
    """One function's figures."""

    median: float  # seconds
    lowest: float
    highest: float
    peak_bytes: int | None  # of tensors at most at a time, beyond what was there before


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    repeats: int,
    device: str,
    warmup: int = 1,
    with_memory: bool = True,
) -> dict[str, Measured]:
    """Measure functions by turns, so that a slow moment meets all of them.

    Args:
        cases: functions without arguments, by name.
        repeats: counted calls of each.
        device: `cpu` or `cuda`; on the latter the device is waited for.
        warmup: calls of each before.
        with_memory: whether one more call of each is spent on its peak memory.
    """
    peaks = {name: peak_bytes(run, device) if with_memory else None for name, run in cases.items()}
    for _ in range(warmup):
        for run in cases.values():
            _seconds(run, device)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, run in cases.items():
            times[name].append(_seconds(run, device))
    return {
        name: Measured(statistics.median(each), min(each), max(each), peaks[name])
        for name, each in times.items()
    }


def _seconds(run: Callable[[], object], device: str) -> float:
    _wait(device)
    started = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak_bytes(run: Callable[[], object], device: str) -> int:
    """Memory that a call allocates at most at a time, beyond what was there before."""
    if device == "cuda":
        _wait(device)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _wait(device)
        return torch.cuda.max_memory_allocated() - before
    GRADIENTS.release()  # memory that an earlier call kept for this one counts as well
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        result = run()  # kept until the end: what is returned counts
    del result
    held = highest = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == MEMORY_EVENT:
            held += event.nbytes()
            highest = max(highest, held)
    return highest
