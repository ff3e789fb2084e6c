"""The schedule that a config was written for, run through faster or slower."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mmengine.optim import ConstantParamScheduler, LinearParamScheduler, _ParamScheduler

from .plan import TOLERANCE, Plan


@dataclass(frozen=True)
class Schedule:
    """The length of the training that a config was written for.

    Args:
        iterations: of all of it.
        epochs: of all of it; 1 where the config counts iterations.
    """

    iterations: int
    epochs: int

    def length(self, by_epoch: bool) -> int:
        """Return the length in epochs or iterations."""
        return self.epochs if by_epoch else self.iterations

    def share(self, interval: int, by_epoch: bool) -> float:
        """Return the share of the training that an interval is; 1 for no interval."""
        return interval / self.length(by_epoch) if interval > 0 else 1.0

    def steps(self, scheduler: _ParamScheduler, plan: Plan, done: int) -> int:
        """Count the steps of a scheduler after `done` iterations of the real training."""
        if self.is_warm_up(scheduler):
            return _whole(plan.warm_up(done) * scheduler.end)
        share = 0.0 if plan.is_open else plan.training(done)
        return _whole(share * self.length(scheduler.by_epoch))

    def warm_up(self, schedulers: Iterable[_ParamScheduler]) -> int:
        """Return the iterations of the config's warm-up; 0 without one."""
        per_epoch = self.iterations // self.epochs
        ends = [
            each.end * (per_epoch if each.by_epoch else 1)
            for each in schedulers
            if self.is_warm_up(each)
        ]
        return max(ends, default=0)

    def is_warm_up(self, scheduler: _ParamScheduler) -> bool:
        """Return whether a scheduler raises the rate at the beginning, and ends before the end."""
        rises = (
            isinstance(scheduler, LinearParamScheduler)
            and scheduler.start_factor < scheduler.end_factor
        ) or (isinstance(scheduler, ConstantParamScheduler) and scheduler.factor < 1)
        return rises and scheduler.begin == 0 and scheduler.end != self.length(scheduler.by_epoch)


def _whole(steps: float) -> int:
    return math.floor(steps + TOLERANCE)
