"""How many iterations fit, and how the share of the training grows."""

import itertools
import math
from dataclasses import replace

import pytest

from retina_plugin.engine.budget.plan import (
    LOOK,
    MOST,
    PLAN_NUMBERS,
    Costs,
    Line,
    Plan,
    Task,
    fitting,
    open_plan,
    passes,
    replanned,
    spaced,
)

TASK = Task(warm_up=500, validate_every=1.0, save_every=1.0, accumulated=1, reserve=10.0)
COSTS = Costs(step=0.5, validation=20.0, save=2.0)


def planned(seconds, done=10, costs=COSTS, task=TASK):
    return replanned(open_plan(task, first_look=2), done, seconds, costs, task)


def test_the_rest_of_the_time_is_divided_by_the_step():
    # 332 s - 10 s reserve - 20 s validation - 2 s checkpoint = 300 s, in steps of 0.5 s.
    assert fitting(332, COSTS, TASK) == 600
    assert planned(332).training == Line(0.0, 10, 610)


def test_nothing_fits_beside_a_validation_that_is_too_long():
    assert fitting(32, COSTS, TASK) == 0
    assert fitting(20, COSTS, TASK) < 0


def test_a_plan_that_is_late_leaves_one_iteration():
    """It must be known before the last iteration that it is the last: its checkpoint is due."""
    late = replanned(planned(332), 100, -50.0, COSTS, TASK)
    assert late.training.end == 101


def test_before_the_first_plan_the_warm_up_runs_and_the_training_stays_at_its_beginning():
    plan = open_plan(TASK, first_look=2)
    assert plan.is_open
    assert plan.training(10) == pytest.approx(0, abs=1e-6)
    assert plan.warm_up(10) == pytest.approx(10 / 500)


def test_a_share_grows_evenly_to_1():
    line = Line(0.2, 10, 18)
    assert [line(each) for each in (10, 11, 14, 18, 30)] == pytest.approx([0.2, 0.3, 0.6, 1, 1])


@pytest.mark.parametrize("step", [0.1, 0.5, 5.0])
def test_a_new_plan_keeps_the_share_and_changes_its_growth(step):
    """The machine becomes five times as fast, stays as it is, or ten times as slow."""
    first = planned(332)
    second = replanned(first, 310, 182.0, COSTS._replace(step=step), TASK)
    assert second.training(310) == first.training(310) == 0.5
    assert second.training.end == 310 + round(150 / step)
    assert second.training(second.training.end) == 1


def test_the_next_look_is_after_a_share_of_what_is_left_and_at_last_after_each_iteration():
    plan = planned(332)
    assert plan.next_look == 10 + math.ceil(LOOK * 600)
    looks, seconds = [], 332.0
    while plan.training.end > plan.next_look:
        seconds -= 0.5 * (plan.next_look - (looks[-1] if looks else 10))
        looks.append(plan.next_look)
        plan = replanned(plan, plan.next_look, seconds, COSTS, TASK)
    assert plan.training.end == 610  # a steady machine
    assert looks[-3:] == [607, 608, 609]
    assert len(looks) < 100


def test_a_machine_that_changes_all_the_time_still_ends_in_time():
    """Steps of 1 s, then 3 s, then 0.4 s; known are those of the look before."""
    plan, done, used, step = planned(600 - 10, costs=Costs(1.0, 20, 2)), 10, 10.0, 1.0
    while done < plan.training.end:
        if done >= plan.next_look:
            plan = replanned(plan, done, 600 - used, Costs(step, 20, 2), TASK)
        step = 1.0 if used < 200 else 3.0 if used < 400 else 0.4
        used, done = used + step, done + 1
    assert 600 - 32 - 1 <= used <= 600 - 32 + 1


def test_a_warm_up_keeps_its_iterations_in_a_long_training():
    assert planned(100_000).warm_up.end == 500


def test_a_warm_up_takes_a_sixth_of_a_short_training():
    plan = planned(332)
    assert plan.warm_up.end == round(610 / 6)
    assert plan.warm_up(10) == pytest.approx(10 / 500)  # no jump
    assert plan.warm_up(102) == 1


def test_what_is_left_of_a_warm_up_is_spread_over_some_iterations():
    """60 s are 56 iterations: a sixth of 66 is over already in the eleventh."""
    plan = planned(60)
    assert plan.warm_up.end == 15
    assert plan.warm_up(11) < 0.25


def test_a_warm_up_that_is_over_stays_over():
    plan = replanned(planned(332), 200, 100.0, COSTS, TASK)
    assert replanned(plan, 300, 10_000.0, COSTS, TASK).warm_up(301) == 1


def test_without_a_warm_up_there_is_none():
    task = replace(TASK, warm_up=0)
    assert planned(332, task=task).warm_up(0) == 1


def test_validations_are_spared_that_would_take_too_long():
    """Twelve of 20 s would take 240 s; of 600 s a fifth is for those before the last."""
    assert spaced(1 / 12, 0.0, 240, 20) == 1 / 12
    assert spaced(1 / 12, 0.0, 120, 20) == pytest.approx(2 / 12)
    assert spaced(1 / 12, 0.0, 40, 20) == pytest.approx(4 / 12)
    assert spaced(1 / 12, 0.0, 19, 20) == 1.0
    assert spaced(1 / 12, 0.0, -5, 20) == 1.0


def test_what_costs_nothing_is_done_as_often_as_the_config_has_it():
    assert spaced(1 / 1000, 0.0, 0, 0.0) == 1 / 1000
    assert spaced(1 / 1000, 0.0, -5, 0.0) == 1 / 1000


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("every", [0.3, 1 / 12, 1 / 997])
def test_no_rarer_multiple_is_taken_than_needed(every, share):
    """Held against trying one after the other."""
    inside = lambda part: sum(share < n * part < 1 for n in range(1, 1000))  # noqa: E731
    for most in (1, 3, 100):
        wanted = next(n for n in range(1, 1000) if n * every >= 1 or inside(n * every) <= most)
        assert spaced(every, share, most * 2.0, 2.0) == pytest.approx(min(wanted * every, 1.0))


def test_the_validations_and_checkpoints_in_between_are_paid_for():
    task = replace(TASK, validate_every=0.25, save_every=0.5)
    # 1,000 s - 10 s - 3 x 20 s - 20 s - 2 x 2 s = 906 s.
    assert planned(1000, task=task).training.end == 10 + 1812


def test_events_come_once_in_their_share_and_at_the_end():
    plan = Plan(Line(0.0, 0, 10), Line(1.0, 0, 0), 99, 0.25, 1.0)
    assert [done for done in range(1, 11) if passes(plan, 0.25, done)] == [3, 5, 8, 10]
    assert [done for done in range(1, 11) if passes(plan, 1.0, done)] == [10]
    assert [done for done in range(1, 11) if passes(plan, 0.3, done)] == [3, 6, 9, 10]


def test_the_last_gradients_that_accumulate_are_used():
    task = replace(TASK, accumulated=4)
    assert all(planned(100 + x, task=task).training.end % 4 == 0 for x in (0, 0.5, 1, 1.5))
    assert replanned(planned(100, task=task), 13, -5, COSTS, task).training.end == 16


def test_a_budget_without_measure_is_bounded():
    assert planned(1e300).training.end < MOST


def test_a_plan_becomes_numbers_and_back():
    for plan in (open_plan(TASK, 2), planned(332), planned(60)):
        assert Plan.of(plan.numbers()) == plan
        assert len(plan.numbers()) == PLAN_NUMBERS


def test_shares_of_any_interval_are_passed_as_often_as_they_fit():
    for parts, end in itertools.product((1, 2, 3, 7, 12), (12, 50, 1013)):
        plan = Plan(Line(0.0, 0, end), Line(1.0, 0, 0), 99, 1, 1)
        due = [done for done in range(1, end + 1) if passes(plan, 1 / parts, done)]
        assert len(due) == parts
