"""A row of the torture table: one kind of fault, tried many times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

SHOWN = 5  # failures that are kept in words


@dataclass(frozen=True)
class Outcome:
    """What came of a number of trials."""

    good: int
    trials: int
    failures: tuple[str, ...] = ()  # the first few, in words
    note: str = ""  # a figure worth a line, such as "at most 0.4 s"

    @property
    def passed(self) -> bool:
        """Whether there were trials, and all went well."""
        return self.good == self.trials > 0


@dataclass(frozen=True)
class Row:
    """A kind of fault, with a function for each side that tries it so many times."""

    id: str
    title: str  # what a good trial is
    ours: Callable[[int], Outcome]
    trials: int
    quick: int = 0  # trials with --quick; 0 leaves the row out
    stock: Callable[[int], Outcome] | None = None  # MMDetection's own parts, same fault
    stock_trials: int = 0


def tally(results: Iterable[str | None], note: str = "") -> Outcome:
    """Count results: None is a good trial, text says what went wrong."""
    listed = list(results)
    failures = [result for result in listed if result is not None]
    return Outcome(len(listed) - len(failures), len(listed), tuple(failures[:SHOWN]), note)
