"""How the demo's minutes are divided: what is left when the scenes are made goes into training."""

import time
from dataclasses import dataclass

from rich.console import Console

from ..bounds import POSITIVE
from ..errors import UserError

clock = time.time  # which `date +%s` of a Makefile shows too

MINUTES = 10.0
LEAST = 2.0  # minutes of training, also where fewer are left
EVALUATION = 20.0, 3.0  # seconds, and times what this process took to start: another one starts


@dataclass(frozen=True)
class Budget:
    """The minutes of a demo, and when they began.

    Args:
        minutes: of the whole demo, installation included.
        began: by `clock`.
    """

    minutes: float
    began: float

    def __post_init__(self) -> None:
        """Raise UserError unless `minutes` is a number above 0."""
        if self.minutes not in POSITIVE:
            raise UserError(f"--minutes expects {POSITIVE}, but got {self.minutes!r}.")

    @property
    def used(self) -> float:
        """Seconds since the beginning."""
        return clock() - self.began

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return 60 * self.minutes - self.used


def training_minutes(console: Console, budget: Budget, starting: float) -> float:
    """Return the minutes left for training, at least `LEAST`; print a warning if fewer are left.

    Args:
        console: for the warning.
        budget: of the demo.
        starting: seconds that this process took to start.
    """
    seconds, starts = EVALUATION
    evaluation = seconds + starts * starting
    minutes = (budget.left - evaluation) / 60
    if minutes >= LEAST:
        return round(minutes, 2)
    console.print(
        f"{in_minutes(budget.used)} of {in_minutes(60 * budget.minutes)} minutes are gone, and the "
        f"evaluation takes about {in_minutes(evaluation)}: too little is left for a useful "
        f"training. It takes {in_minutes(60 * LEAST)} all the same, and may find little. "
        "`make demo` once more need not install; `make demo MINUTES=20` gives it more.",
        markup=False,
        highlight=False,
    )
    return LEAST


def in_minutes(seconds: float) -> str:
    """Seconds as 3:07; 0:00 where they are negative."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    return f"{minutes}:{rest:02}"
