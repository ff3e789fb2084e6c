"""Where a number of a config must lie, and the sentence that is said if it does not."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .errors import UserError


@dataclass(frozen=True)
class Bounds:
    """Finite numbers from `low` to `high` that a float can hold.

    Args:
        low: the lowest, -inf for none.
        high: the highest, inf for none.
        ends: the brackets of the interval: a round one leaves its end out.
        is_whole: whether 1.5 is none of them.
    """

    low: float = -math.inf
    high: float = math.inf
    ends: str = "[]"
    is_whole: bool = False

    def __contains__(self, value: Any) -> bool:
        """Whether it is such a number; what is no number, or true or false, is none."""
        kind = Integral if self.is_whole else Real
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        return is_number and _is_finite(value) and self._holds(value)

    def _holds(self, value: float) -> bool:
        low = self.low < value or (value == self.low and self.ends[0] == "[")
        high = value < self.high or (value == self.high and self.ends[1] == "]")
        return low and high

    def __str__(self) -> str:
        """In words that follow "to be"."""
        kind = "a whole number" if self.is_whole else "a number"
        if math.isinf(self.low) and math.isinf(self.high):
            return kind if self.is_whole else "a finite number"
        if math.isinf(self.high):
            return f"{kind} {'>=' if self.ends[0] == '[' else '>'} {self.low:g}"
        if math.isinf(self.low):
            return f"{kind} {'<=' if self.ends[1] == ']' else '<'} {self.high:g}"
        return f"{kind} in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


FINITE = Bounds()
POSITIVE = Bounds(low=0, ends="(]")
NOT_NEGATIVE = Bounds(low=0)
FRACTION = Bounds(low=0, high=1)
SHARE = Bounds(low=0, high=1, ends="(]")  # a fraction above 0
INSIDE = Bounds(low=0, high=1, ends="()")  # and below 1
WHOLE = Bounds(is_whole=True)
WHOLE_FROM_0 = Bounds(low=0, is_whole=True)
COUNT = Bounds(low=1, is_whole=True)


def check_number(owner: str, key: str, value: object, bounds: Bounds) -> None:
    """Raise UserError, naming owner and key, unless a number lies within its bounds."""
    if value not in bounds:
        raise UserError(f"{owner} expects {key} to be {bounds}, but got {value!r}.")


def check_numbers(owner: str, bounds: Bounds, **numbers: object) -> None:
    """The same for several, by their keys."""
    for key, value in numbers.items():
        check_number(owner, key, value, bounds)
