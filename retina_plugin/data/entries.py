"""Columns of a list of entries; an entry whose field is malformed is named."""

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np

from ..errors import UserError

LARGEST_SIDE = 2**31 - 1  # pixels; what an image format can declare
NUMBERS: set[type] = {int, float}
FLAGS: set[type] = {bool, int, float, type(None)}


@dataclass(frozen=True)
class Entries:
    """Entries of one kind, read field by field; whole columns, because there may be a million."""

    file: str  # for messages
    kind: str  # image, annotation or category
    rows: list[dict[str, Any]]

    def column(self, field: str) -> list:
        """Values of a field, None where it is missing."""
        try:
            return list(map(itemgetter(field), self.rows))
        except KeyError:
            return [row.get(field) for row in self.rows]

    def integers(self, field: str) -> np.ndarray:
        """Values of a field, (M,) int64; 12.0 counts as 12.

        Raises:
            UserError: a value that is missing or no integer.
        """
        values = self.column(field)
        if set(map(type, values)) - {int}:
            self._hold(field, values, _is_whole, "an integer")
            values = [int(value) for value in values]
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            self._hold(field, values, _fits, "an integer of at most 64 bits")
            raise

    def ids(self) -> np.ndarray:
        """The entries' own ids, (M,) int64.

        Raises:
            UserError: an id is missing, no integer, or there twice.
        """
        ids = self.integers("id")
        unique, counts = np.unique(ids, return_counts=True)
        if len(unique) < len(ids):
            twice = unique[counts > 1]
            raise UserError(
                f"{self.file}: id must differ from {self.kind} to {self.kind}, but "
                f"{counts.max()} have {self.kind} id {twice[0]} ({len(twice)} such ids): "
                "number them anew."
            )
        return ids

    def sides(self, field: str) -> np.ndarray:
        """Pixels of a side, (M,) int64.

        Raises:
            UserError: a value that is missing or not an integer above 0.
        """
        values = self.integers(field)
        wrong = np.flatnonzero((values < 1) | (values > LARGEST_SIDE))
        if len(wrong):
            self.fail(int(wrong[0]), field, "a number of pixels above 0")
        return values

    def texts(self, field: str) -> list[str]:
        """Values of a field.

        Raises:
            UserError: a value that is missing, no text or empty.
        """
        values = self.column(field)
        self._hold(field, values, _is_text, "a text that is not empty")
        return values

    def boxes(self) -> np.ndarray:
        """`bbox` of each entry, (M, 4) float64: x, y, width, height; what is too large is inf.

        Raises:
            UserError: a value that is missing or not four numbers.
        """
        values = self.column("bbox")
        is_plain = set(map(type, values)) == {list} and set(map(len, values)) == {4}
        flat = list(chain.from_iterable(values)) if is_plain else []
        if not is_plain or set(map(type, flat)) - NUMBERS:
            self._hold("bbox", values, _is_box, "a list of four numbers: x, y, width, height")
        return _floats(flat).reshape(-1, 4)

    def numbers(self, field: str, default: np.ndarray) -> np.ndarray:
        """Values of a field, (M,) float64, the default where one is missing or null.

        Raises:
            UserError: a value that is no number.
        """
        values = self.column(field)
        kinds = set(map(type, values))
        if kinds - NUMBERS:
            self._hold(field, values, lambda v: v is None or type(v) in NUMBERS, "a number")
            filled = zip(values, default.tolist(), strict=True)
            values = [other if value is None else value for value, other in filled]
        return _floats(values)

    def flags(self, field: str) -> np.ndarray:
        """Values of a field, (M,) bool, False where one is missing or null.

        Raises:
            UserError: a value that is neither 0 nor 1.
        """
        values = self.column(field)
        if not set(map(type, values)) <= FLAGS or not set(values) <= {None, 0, 1}:
            self._hold(field, values, lambda v: v in (None, 0, 1), "0 or 1")
        return np.array(values, dtype=bool)

    def name(self, index: int) -> str:
        """What messages call an entry."""
        row = self.rows[index]
        own = f"id {row['id']}" if _is_whole(row.get("id")) else f"number {index + 1}"
        image = row.get("image_id")
        return f"{self.kind} {own}" + (f" (image id {image})" if _is_whole(image) else "")

    def fail(self, index: int, field: str, expected: str) -> NoReturn:
        """Raise the error that names an entry and its field."""
        row = self.rows[index]
        got = f"is {reprlib.repr(row[field])}" if field in row else "is missing"
        raise UserError(
            f"{self.file}: {self.name(index)}: {field} must be {expected}, but it {got}."
        )

    def _hold(
        self, field: str, values: list, is_good: Callable[[Any], bool], expected: str
    ) -> None:
        """Fail at the first value that is not good."""
        for index, value in enumerate(values):
            if not is_good(value):
                self.fail(index, field, expected)


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _fits(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and {type(v) for v in value} <= NUMBERS


def _floats(values: list) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # an integer of hundreds of digits
        return np.array([v if _is_small(v) else np.inf for v in values], dtype=np.float64)


def _is_small(value: float) -> bool:
    return abs(value) < 1e300
