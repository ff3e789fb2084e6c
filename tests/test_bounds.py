"""A number lies within its bounds, or a sentence says who wanted which."""

import numpy as np
import pytest

from retina_plugin.bounds import COUNT, FINITE, FRACTION, POSITIVE, SHARE, Bounds, check_number
from retina_plugin.errors import UserError


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        (FINITE, [0, -1e300, np.float32(1)], [float("nan"), float("inf"), -float("inf")]),
        (FRACTION, [0, 0.5, 1], [-1e-9, 1.01, 10**400]),
        (SHARE, [1e-9, 1], [0, 1.01]),
        (POSITIVE, [1e-9, 1e9], [0, -1]),
        (COUNT, [1, np.int64(3), 10**300], [0, 1.5, 2.0, 10**400]),
        (Bounds(low=0, high=1, ends="()"), [0.5], [0, 1]),
        (Bounds(high=1), [-5, 1], [2]),
    ],
)
def test_ends_belong_to_the_bounds_as_the_brackets_say(bounds, inside, outside):
    assert all(value in bounds for value in inside)
    assert not any(value in bounds for value in outside)


@pytest.mark.parametrize("value", [True, None, "1", [1], {"a": 1}, 1j])
def test_what_is_no_number_lies_nowhere(value):
    assert value not in FINITE
    assert value not in COUNT


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (FINITE, "a finite number"),
        (Bounds(is_whole=True), "a whole number"),
        (COUNT, "a whole number >= 1"),
        (POSITIVE, "a number > 0"),
        (SHARE, "a number in (0, 1]"),
        (Bounds(high=1), "a number <= 1"),
        (Bounds(high=1, ends="[)"), "a number < 1"),
    ],
)
def test_bounds_in_words(bounds, words):
    assert str(bounds) == words


def test_the_sentence_names_owner_key_and_value():
    check_number("X", "y", 0.5, FRACTION)
    with pytest.raises(UserError, match=r"^X expects y to be a number in \[0, 1\], but got '2'\.$"):
        check_number("X", "y", "2", FRACTION)
