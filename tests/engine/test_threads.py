"""How many threads are chosen, on machines whose steps the test sets; no time is measured."""

from types import SimpleNamespace

import pytest
import torch

from retina_plugin.engine import threads
from retina_plugin.engine.threads import TRIED, ThreadTrialHook, numbers_of_threads


@pytest.fixture
def chosen(monkeypatch):
    """Run iterations of a machine; gives the number of threads in each.

    A machine tells the seconds of a step by its number of threads and the iteration.
    """

    def run(machine, cores=4, iterations=60, interval=20, cuda=False):
        state = SimpleNamespace(now=0.0, threads=cores, used=[])
        monkeypatch.setattr(threads, "clock", lambda: state.now)
        monkeypatch.setattr(threads, "usable_cores", lambda: cores)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch, "get_num_threads", lambda: state.threads)
        monkeypatch.setattr(torch, "set_num_threads", lambda n: setattr(state, "threads", n))
        hook = ThreadTrialHook(interval)
        hook.before_train(None)
        for iteration in range(iterations):
            hook.before_train_iter()
            state.used.append(state.threads)
            state.now += machine(state.threads, iteration)
            hook.after_train_iter()
        return state.used

    return run


def test_each_number_is_tried_then_the_fastest_is_taken(chosen):
    used = chosen(lambda n, _: {4: 1.0, 2: 0.5, 1: 0.8}[n], iterations=20)
    assert used[: 3 * TRIED] == [4] * TRIED + [2] * TRIED + [1] * TRIED
    assert used[3 * TRIED :] == [2] * (20 - 3 * TRIED)


def test_the_first_iteration_with_a_number_is_not_counted(chosen):
    """It starts the threads."""
    cold = (0, TRIED)
    used = chosen(lambda n, i: 50.0 if i in cold else 1.0 / n, cores=2, iterations=12)
    assert used[-1] == 2


def test_a_core_that_is_taken_by_another_program_is_left_to_it(chosen):
    busy = lambda n, i: 1.0 if n == 1 else 0.6 if i < 30 else 5.0  # noqa: E731
    used = chosen(busy, cores=2, iterations=100)
    assert used[20] == 2
    assert used[-1] == 1


def test_all_cores_are_taken_when_it_has_ended(chosen):
    busy = lambda n, i: 1.0 if n == 1 else 5.0 if i < 30 else 0.6  # noqa: E731
    used = chosen(busy, cores=2, iterations=100)
    assert used[20] == 1
    assert used[-1] == 2


def test_later_trials_are_few(chosen):
    used = chosen(lambda n, _: 1.0 / n, cores=4, iterations=1000, interval=100)
    assert sum(n != 4 for n in used[3 * TRIED :]) < 0.05 * 1000
    assert set(used[200:]) == {1, 2, 4}


def test_a_little_faster_is_not_worth_a_change(chosen):
    used = chosen(lambda n, _: 1.0 if n == 2 else 0.95, cores=2, iterations=12)
    assert used[-1] == 2


@pytest.mark.parametrize("machine", [{"cores": 1}, {"cores": 4, "cuda": True}])
def test_there_is_nothing_to_try_on_one_core_or_on_an_accelerator(chosen, machine):
    used = chosen(lambda *_: 1.0, **machine)
    assert set(used) == {machine["cores"]}


@pytest.mark.parametrize(
    ("cores", "numbers"), [(1, [1]), (2, [2, 1]), (6, [6, 4, 2, 1]), (8, [8, 4, 2, 1])]
)
def test_numbers_are_powers_of_two_and_all_cores(cores, numbers):
    assert numbers_of_threads(cores) == numbers
