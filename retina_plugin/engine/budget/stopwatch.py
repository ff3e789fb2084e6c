"""What the parts of a training take, and how much of its time is left."""

import itertools
import statistics
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from .plan import Costs

clock = time.monotonic

COLD = 3  # iterations of a process that are not counted: caches, compilers and workers start
WINDOW = 20, 2000  # iterations of which the mean is taken: at least and at most


class Stopwatch:
    """Measures steps, validations and checkpoints of a run that has so many seconds.

    Args:
        seconds: of the budget.
        began: when the process began, by `clock`; now if it is not known.
    """

    def __init__(self, seconds: float, began: float | None = None) -> None:
        self.seconds = seconds
        self.began = clock() if began is None else began
        self._measured: dict[str, tuple[float, float]] = {}  # name: seconds, step at that time
        self.used_before = 0.0  # by the runs that this one resumes
        self._first_guess: float | None = None  # of a step, until one is counted
        self._cold = COLD
        self._steps: deque[float] = deque(maxlen=WINDOW[1])
        self._saving = 0.0

    @property
    def used(self) -> float:
        """Seconds since the training began, without those between an interruption and a resume."""
        return self.used_before + clock() - self.began

    @property
    def left(self) -> float:
        """Seconds until the end of the budget."""
        return self.seconds - self.used

    @property
    def measured(self) -> int:
        """How many iterations are counted."""
        return len(self._steps)

    def step(self, ahead: int = WINDOW[1]) -> float:
        """Return the seconds per iteration, without checkpoints; 0 before the first.

        The mean of half as many as are ahead: other programs come and go, and nobody knows whether
        what has just begun stays.

        Args:
            ahead: for how many iterations it is to hold.
        """
        if not self._steps:
            return self._first_guess or 0.0
        last = max(WINDOW[0], ahead // 2)
        return statistics.fmean(itertools.islice(reversed(self._steps), last))

    def costs(self, ahead: int = WINDOW[1]) -> Costs:
        """Return what was measured, and 0 for the rest.

        Args:
            ahead: as in `step`.
        """
        step = self.step(ahead)
        return Costs(step, *(self._scaled(name, step) for name in ("validation", "save")))

    def knows(self, name: str) -> bool:
        """Return whether a `validation` or `save` was measured or guessed."""
        return name in self._measured

    def note(self, name: str, seconds: float) -> None:
        """Keep what a `validation` or `save` takes while an iteration takes as long as now."""
        self._measured[name] = seconds, self.step(0)

    def _scaled(self, name: str, step: float) -> float:
        """Scale a cost to the present speed of the machine."""
        seconds, step_then = self._measured.get(name, (0.0, 0.0))
        return seconds * step / step_then if step_then else seconds

    def go_on(self, used: float, costs: Costs) -> None:
        """Take up what a run measured that is resumed."""
        self.used_before = used
        self._first_guess = costs.step
        self.note("validation", costs.validation)
        self.note("save", costs.save)

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Measure what is inside as an iteration."""
        before, saving = clock(), self._saving
        yield
        seconds = clock() - before - (self._saving - saving)
        if self._cold > 0:
            self._cold -= 1
            self._first_guess = min(seconds, self._first_guess or seconds)
        else:
            self._steps.append(seconds)

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Measure what is inside as a validation."""
        before = clock()
        yield
        self.note("validation", clock() - before)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure what is inside as a checkpoint."""
        before = clock()
        yield
        self.note("save", clock() - before)
        self._saving += clock() - before
