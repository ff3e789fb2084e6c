"""How many more iterations fit into the seconds that are left: arithmetic alone, without a clock.

The learning rate is a function of the share of the training that is done. A new plan changes how
fast that share grows from now on, never the share itself, so the rate does not jump.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

WARM_UP = 1 / 6  # of the training, which a warm-up takes at most
SHORTEST_WARM_UP = 5  # iterations over which the rest of a warm-up is spread at least
LOOK = 0.05  # of what is left of the training passes until the next look
VALIDATING = 0.2  # of the time, which the validations before the last one take at most
SAVING = 0.05  # of the time, which the checkpoints before the last one take at most
MOST = 10**9  # iterations
PLAN_NUMBERS = 9  # that make a plan
TOLERANCE = 1e-6  # of a share, whose parts are sums of rounded numbers


class Costs(NamedTuple):
    """Seconds that each of these takes."""

    step: float
    validation: float
    save: float


@dataclass(frozen=True)
class Task:
    """What the config asks for.

    Args:
        warm_up: iterations of its warm-up; 0 for none.
        validate_every: share of the training between two validations; 1 for the last one alone.
        save_every: share of the training between two checkpoints; 1 for the last one alone.
        accumulated: iterations of one step of the optimizer.
        reserve: seconds to keep free for the end of the process and for errors of the estimate.
    """

    warm_up: int
    validate_every: float
    save_every: float
    accumulated: int
    reserve: float


@dataclass(frozen=True)
class Line:
    """A share that grows evenly from `share` at the iteration `at` to 1 at `end`."""

    share: float
    at: int
    end: int

    def __call__(self, iteration: int) -> float:
        """Return the share after `iteration` iterations."""
        if iteration >= self.end:
            return 1.0
        passed = (iteration - self.at) / (self.end - self.at)
        return self.share + (1 - self.share) * passed

    def bent(self, iteration: int, end: int) -> "Line":
        """Return the line that goes on from its share at `iteration` to another end."""
        return Line(self(iteration), iteration, end)


@dataclass(frozen=True)
class Plan:
    """How a training goes on; iterations are counted from its start.

    Args:
        training: share of the training that is done.
        warm_up: share of the warm-up that is done.
        next_look: iteration at which to plan anew.
        validate_every: as in `Task`, or a multiple.
        save_every: as in `Task`, or a multiple.
    """

    training: Line
    warm_up: Line
    next_look: int
    validate_every: float
    save_every: float

    @property
    def is_open(self) -> bool:
        """Whether no plan has been made yet."""
        return self.training.end == MOST

    def numbers(self) -> list[float]:
        """Return the plan as numbers, for a checkpoint or for other processes."""
        lines = [number for line in (self.training, self.warm_up) for number in _numbers(line)]
        return [*lines, self.next_look, self.validate_every, self.save_every]

    @staticmethod
    def of(numbers: Sequence[float]) -> "Plan":
        """Return the plan that `numbers` describe."""
        training, warm_up = (_line(*numbers[first : first + 3]) for first in (0, 3))
        return Plan(training, warm_up, int(numbers[6]), numbers[7], numbers[8])


def _numbers(line: Line) -> list[float]:
    return [line.share, line.at, line.end]


def _line(share: float, at: float, end: float) -> Line:
    return Line(share, int(at), int(end))


def open_plan(task: Task, first_look: int) -> Plan:
    """Return the plan before anything is measured: the warm-up runs, the training stays at 0."""
    warm_up = Line(0.0, 0, max(task.warm_up, 1)) if task.warm_up else Line(1.0, 0, 0)
    return Plan(Line(0.0, 0, MOST), warm_up, first_look, task.validate_every, task.save_every)


def replanned(plan: Plan, done: int, seconds: float, costs: Costs, task: Task) -> Plan:
    """Return a plan that ends in `seconds`, with at least one more step of the optimizer.

    Args:
        plan: the one so far.
        done: iterations since the start.
        seconds: that are left of the budget.
        costs: as measured.
        task: what the config asks for.
    """
    share = 0.0 if plan.is_open else plan.training(done)
    validate_every = spaced(task.validate_every, share, VALIDATING * seconds, costs.validation)
    save_every = spaced(task.save_every, share, SAVING * seconds, costs.save)
    free = seconds - costs.save * _inside(share, save_every)
    free -= costs.validation * _inside(share, validate_every)
    left = max(fitting(free, costs, task), 1)
    left += -(done + left) % task.accumulated  # the last gradients count too
    end = min(done + left, MOST - 1)
    return Plan(
        training=Line(share, done, end),
        warm_up=_warm_up(plan.warm_up, done, end, task.warm_up),
        next_look=done + math.ceil(LOOK * left),
        validate_every=validate_every,
        save_every=save_every,
    )


def fitting(seconds: float, costs: Costs, task: Task) -> int:
    """Count iterations that fit beside the last validation and checkpoint; <= 0 for none."""
    free = seconds - task.reserve - costs.validation - costs.save
    return int(min(free / costs.step, MOST)) // task.accumulated * task.accumulated


def spaced(every: float, share: float, seconds: float, cost: float) -> float:
    """Return the smallest multiple of `every` whose events take at most `seconds`.

    Args:
        every: share of the training between two events.
        share: of the training that is done.
        seconds: for the events before the last one.
        cost: seconds of one event.
    """
    if cost == 0 or cost * _inside(share, every) <= seconds:
        return min(every, 1.0)
    most = int(seconds / cost)
    if most < 1:
        return 1.0
    fewest = math.ceil((1 - share) / (every * (most + 1)))
    multiples = (each for each in itertools.count(fewest) if _inside(share, each * every) <= most)
    return min(next(multiples) * every, 1.0)


def passes(plan: Plan, every: float, done: int) -> bool:
    """Return whether an event with the interval `every` is due after `done` iterations."""
    now, before = plan.training(done), plan.training(done - 1)
    return now == 1 or _count(now, every) > _count(before, every)


def _inside(share: float, every: float) -> int:
    """Count multiples of `every` above a share and below 1."""
    return max(math.ceil(1 / every - TOLERANCE) - 1 - _count(share, every), 0)


def _count(share: float, every: float) -> int:
    return math.floor(share / every + TOLERANCE)


def _warm_up(line: Line, done: int, end: int, iterations: int) -> Line:
    """Fit the warm-up: the config's iterations, or a sixth of a short training."""
    if line(done) == 1:
        return line
    wanted = min(iterations, round(WARM_UP * end))
    return line.bent(done, max(wanted, min(line.end, done + SHORTEST_WARM_UP)))
