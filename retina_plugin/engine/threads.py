"""How many threads a step takes on a CPU, found by trying."""

import os
import statistics
import time
from collections import deque

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..registry import HOOKS

clock = time.perf_counter

TRIED = 4  # iterations with a number of threads, the first of which is not counted
FASTER = 0.9  # of the time, from which another number is taken


@HOOKS.register_module()
class ThreadTrialHook(Hook):
    """Tries numbers of threads in the first iterations, and one of them now and then later.

    On a quiet machine all cores are faster. Where another program uses one of them, all threads
    wait for the one that shares it, and one thread may be faster by far. `OMP_WAIT_POLICY=PASSIVE`
    in the environment keeps such a trial short: else threads that wait take their core.

    The last bits of sums depend on the number of threads, and so does a resumed run.

    Args:
        interval: iterations from one trial to the next.
    """

    priority = "VERY_HIGH"

    def __init__(self, interval: int = 100) -> None:
        self.interval = interval
        self._threads = torch.get_num_threads()
        self._seconds = float("inf")  # of an iteration with them
        self._waiting: deque[int] = deque()  # numbers to try
        self._others: deque[int] = deque()
        self._trial: int | None = None
        self._times: list[float] = []
        self._began = 0.0

    def before_train(self, runner: Runner) -> None:  # noqa: ARG002
        """Begin with all of them; on an accelerator there is nothing to try."""
        numbers = [] if torch.cuda.is_available() else numbers_of_threads(usable_cores())
        if len(numbers) > 1:
            self._waiting.extend(numbers)
            self._others.extend(numbers)
            self._try_next()

    def before_train_iter(self, *_: object, **__: object) -> None:
        """Take the time."""
        self._began = clock()

    def after_train_iter(self, *_: object, **__: object) -> None:
        """Judge a trial that is complete; begin one that is due."""
        if not self._others:
            return
        self._times.append(clock() - self._began)
        if len(self._times) < (TRIED if self._trial else self.interval):
            return
        if self._trial:
            self._judge(self._trial, statistics.median(self._times[1:]))
        else:
            self._seconds = statistics.median(self._times[-TRIED:])
            self._waiting.append(self._next_other())
        self._try_next()

    def _judge(self, threads: int, seconds: float) -> None:
        if seconds < FASTER * self._seconds:
            self._threads, self._seconds = threads, seconds

    def _try_next(self) -> None:
        """The next number that waits, else the best one."""
        self._times = []
        was_trying, self._trial = self._trial, self._waiting.popleft() if self._waiting else None
        torch.set_num_threads(self._trial or self._threads)
        if was_trying and self._trial is None:
            text = f"{self._threads} threads: {self._seconds:.3g} s a step."
            print_log(text, logger="current")

    def _next_other(self) -> int:
        """In turn, each number that is not the present one."""
        self._others.rotate(-1)
        if self._others[0] == self._threads:
            self._others.rotate(-1)
        return self._others[0]


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def numbers_of_threads(cores: int) -> list[int]:
    """One, two, four and so on, and all cores; the most first."""
    powers = [2**power for power in range(cores.bit_length()) if 2**power < cores]
    return [cores, *reversed(powers)]
