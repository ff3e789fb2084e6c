import pytest

from retina_plugin.engine.budget.plan import Costs
from retina_plugin.engine.budget.stopwatch import COLD, WINDOW, Stopwatch


def step(watch, clock, seconds):
    with watch.stepping():
        clock.now += seconds


def test_time_passes_from_the_beginning_of_the_process(clock):
    clock.now = 50.0
    watch = Stopwatch(60, began=30.0)
    assert (watch.used, watch.left) == (20, 40)
    clock.now = 55.0
    assert (watch.used, watch.left) == (25, 35)


def test_cold_iterations_are_a_first_guess_only(clock):
    watch = Stopwatch(60)
    assert watch.step() == 0
    for seconds in (9.0, 3.0, 4.0):
        step(watch, clock, seconds)
    assert watch.measured == 0
    assert watch.step() == 3.0
    step(watch, clock, 1.0)
    assert (watch.measured, watch.step()) == (1, 1.0)


def test_the_mean_is_of_half_as_many_iterations_as_are_ahead(clock):
    watch = Stopwatch(60)
    for _ in range(COLD + 100):
        step(watch, clock, 1.0)
    for _ in range(20):
        step(watch, clock, 3.0)
    assert watch.step() == pytest.approx((100 * 1 + 20 * 3) / 120)
    assert watch.step(ahead=80) == pytest.approx((20 * 1 + 20 * 3) / 40)
    assert watch.step(ahead=3) == 3.0


def test_what_is_kept_of_a_long_training_is_bounded(clock):
    watch = Stopwatch(60)
    for _ in range(COLD + WINDOW[1] + 50):
        step(watch, clock, 1.0)
    assert watch.measured == WINDOW[1]


def test_a_checkpoint_is_not_of_the_iteration(clock):
    watch = Stopwatch(60)
    for _ in range(COLD + 1):
        with watch.stepping():
            clock.now += 1.0
            with watch.saving():
                clock.now += 5.0
    assert watch.step() == 1.0
    assert watch.costs().save == 5.0


def test_a_validation_is_measured_apart(clock):
    watch = Stopwatch(60)
    with watch.validating():
        clock.now += 7.0
    assert watch.costs() == Costs(0.0, 7.0, 0.0)


def test_a_machine_that_becomes_slower_validates_more_slowly_too(clock):
    watch = Stopwatch(60)
    for _ in range(COLD + 30):
        step(watch, clock, 1.0)
    watch.note("validation", 7.0)
    for _ in range(20):
        step(watch, clock, 3.0)
    assert watch.costs(ahead=0) == Costs(3.0, 21.0, 0.0)


def test_a_resumed_run_has_used_what_the_other_had(clock):
    clock.now = 1000.0
    watch = Stopwatch(60)
    watch.go_on(25.0, Costs(0.5, 3.0, 1.0))
    clock.now += 2
    assert watch.used == 27
    assert watch.costs() == Costs(0.5, 3.0, 1.0)
    for _ in range(COLD + 1):
        step(watch, clock, 0.25)
    assert watch.step() == 0.25
