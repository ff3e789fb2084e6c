"""How the demo's minutes are divided."""

import math

import pytest
from rich.console import Console

from retina_plugin.demo.budget import EVALUATION, LEAST, Budget, in_minutes, training_minutes
from retina_plugin.errors import UserError


@pytest.fixture
def console():
    return Console(record=True, width=1000, force_terminal=False)


def test_training_has_what_is_left_but_for_the_evaluation(clock, console):
    budget = Budget(10, began=clock.now - 150)
    # 600 s - 150 s - 20 s - 3 x 5 s
    assert training_minutes(console, budget, starting=5.0) == pytest.approx(415 / 60, abs=0.01)
    assert console.export_text() == ""


def test_more_minutes_go_into_training(clock, console):
    few, many = (training_minutes(console, Budget(minutes, clock.now), 5.0) for minutes in (10, 30))
    assert many - few == pytest.approx(20)


def test_a_process_that_was_slow_to_start_leaves_more_for_the_next_one(clock, console):
    budget = Budget(10, clock.now)
    quick, slow = (training_minutes(console, budget, starting) for starting in (4.0, 24.0))
    assert quick - slow == pytest.approx(20 * EVALUATION[1] / 60, abs=0.01)


@pytest.mark.parametrize("used", [500, 700])
def test_where_too_little_is_left_it_says_so_and_takes_the_least(clock, console, used):
    budget = Budget(10, began=clock.now - used)
    assert training_minutes(console, budget, starting=5.0) == LEAST
    said = console.export_text()
    assert f"{in_minutes(used)} of 10:00 minutes are gone" in said
    assert "the evaluation takes about 0:35" in said
    assert "It takes 2:00 all the same" in said
    assert "make demo MINUTES=20" in said


def test_what_is_left_shrinks_with_time(clock):
    budget = Budget(10, began=clock.now)
    clock.now += 90
    assert (budget.used, budget.left) == (90, 510)


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_minutes_are_above_0(minutes):
    with pytest.raises(UserError, match="--minutes expects a number > 0"):
        Budget(minutes, 0.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (605, "10:05"), (-3, "0:00")]
)
def test_seconds_become_minutes(seconds, text):
    assert in_minutes(seconds) == text
