"""A training that is given minutes, on machines whose speed the test sets; no time is measured."""

import math
import re

import pytest
import torch
from mmengine.hooks import Hook

from retina_plugin.engine.budget.loop import LEAST, is_state
from retina_plugin.errors import UserError

RESERVE = 3.0 + 0.01 * 60  # of one minute


def test_a_steady_machine_is_used_to_the_end(trained, clock):
    runner, machine = trained()
    assert 60 - RESERVE - 0.1 - 0.5 <= clock.now <= 60 - RESERVE + 0.1
    assert runner.iter == runner.max_iters == len(machine.rates)


def test_validations_and_checkpoints_are_in_the_budget(trained, clock):
    """Each of nine validations takes 1 s, each checkpoint 0.2 s."""
    runner, machine = trained(batch=0.5, save=0.2)
    assert len(machine.validated) == 10
    assert machine.validated[-1] == runner.iter
    assert 60 - RESERVE - 1.5 <= clock.now <= 60 - RESERVE + 0.2


def test_validations_that_are_too_long_are_spared_but_for_the_last(trained, clock):
    _, machine = trained(batch=6.5)
    assert len(machine.validated) < 4
    assert clock.now <= 60


@pytest.mark.parametrize("later", [0.5, 0.02])
def test_a_machine_that_becomes_slower_or_faster_is_followed(trained, clock, later):
    runner, machine = trained(step=lambda iteration: 0.1 if iteration < 200 else later)
    assert 60 - RESERVE - 1 <= clock.now <= 60 - RESERVE + later
    assert machine.validated[-1] == runner.iter


def test_the_first_iterations_are_not_counted(trained, clock, logged):
    """Caches and compilers: three of 2 s, then 0.1 s each."""
    trained(step=lambda iteration: 2.0 if iteration < 3 else 0.1)
    assert clock.now >= 60 - RESERVE - 0.6


def test_what_was_chosen_is_one_line(trained, budget_runner, logged):
    trained()
    lines = [each for each in logged.messages if "minutes=1" in each]
    assert len(lines) == 1
    assert "an iteration takes 0.1 s" in lines[0]
    found = re.search(
        r"so (\d+) iterations \((.*) epochs\), (\d+) of them to go; ends at ", lines[0]
    )
    iterations, epochs, left = (float(each) for each in found.groups())
    assert iterations == left + 11  # that were measured
    assert epochs == pytest.approx(iterations / 4, abs=0.1)
    assert iterations == pytest.approx((60 - RESERVE) / 0.1, abs=6)


def test_a_new_choice_is_said_where_it_is_another_one(trained, logged):
    trained(step=lambda iteration: 0.1 if iteration < 200 else 0.2)
    lines = [each for each in logged.messages if "minutes=1" in each]
    assert 1 < len(lines) < 6


def test_a_budget_that_is_too_short_is_an_error_with_the_minutes_that_it_takes(trained, clock):
    with pytest.raises(UserError, match="minutes=1 is too short: .* iteration takes 14 s") as error:
        trained(step=lambda _: 14.0)
    needed = float(str(error.value).partition("give it minutes=")[2].partition(",")[0])
    clock.now = 0.0
    runner, _ = trained(step=lambda _: 14.0, minutes=needed)
    assert runner.iter > LEAST
    assert clock.now <= 60 * needed


def test_a_validation_that_fills_the_budget_is_named(trained, budget_runner, clock, monkeypatch):
    monkeypatch.setattr("retina_plugin.engine.budget.loop.expected_validation", lambda _: 70.0)
    with pytest.raises(UserError, match="the validation about 70 s"):
        trained()


def test_the_time_since_the_process_began_counts(trained, clock):
    clock.now = 1000.0
    trained(loop={"began": 970.0})
    assert 1000 + 30 - RESERVE - 0.6 <= clock.now <= 1000 + 30


def test_the_end_of_an_early_stop_is_heeded(budget_runner, clock):
    runner = budget_runner(custom_hooks=[])

    class Stop(Hook):
        def after_train_iter(self, runner, *_, **__):
            clock.now += 0.1
            runner.train_loop.stop_training = runner.iter == 20

    runner.register_hook(Stop())
    runner.train()
    assert runner.iter == 21


def test_a_config_by_iteration_has_its_lengths_in_iterations(trained):
    loop = {"max_epochs": None, "max_iters": 100, "val_interval": 50}
    runner, machine = trained(loop=loop)
    first, last = machine.validated
    assert last == runner.iter
    # Half of the training after the measurement of 11 iterations.
    assert first == math.ceil(11 + (last - 11) / 2)


def test_validations_begin_where_the_config_has_them_begin(trained):
    _, machine = trained(loop={"val_begin": 9})
    assert len(machine.validated) == 2


def test_without_validation_none_is_planned(trained, clock):
    runner, machine = trained(validates=False)
    assert machine.validated == []
    assert runner.iter > 500


def test_gradients_accumulate_to_the_end(trained):
    wrapper = {"optimizer": {"type": "SGD", "lr": 0.1}, "accumulative_counts": 4}
    runner, _ = trained(optim_wrapper=wrapper)
    assert runner.iter % 4 == 0
    assert runner.iter > 500  # 40 are in the config


def test_early_iterations_are_planned_with_if_they_fill_a_twentieth(trained, clock):
    """4 s each: eleven of them would be most of the minute."""
    runner, _ = trained(step=lambda _: 4.0)
    assert runner.iter == 14


class Ended(Exception):  # noqa: N818
    pass


@pytest.fixture
def interrupted(budget_runner, clock, tmp_path):
    """Train until a checkpoint after some iterations; gives it."""

    def run(after, step=0.1, **options):
        class End(Hook):
            priority = "LOWEST"

            def after_train_iter(self, runner, *_, **__):
                clock.now += step
                if runner.iter + 1 == after:
                    (hook,) = (h for h in runner.hooks if hasattr(h, "save_in_between"))
                    hook.save_in_between(runner, after)
                    raise Ended

        runner = budget_runner(**options)
        runner.register_hook(End())
        with pytest.raises(Ended):
            runner.train()
        return torch.load(tmp_path / f"run/iter_{after}.pth", weights_only=False)

    return run


def test_a_resumed_run_has_the_time_that_is_left_and_goes_on_with_its_plan(
    interrupted, trained, clock
):
    checkpoint = interrupted(300)
    state = checkpoint["meta"]["budget"]
    assert is_state(state)
    assert state["used"] == pytest.approx(30)
    clock.now = 5000.0  # a night later
    runner, machine = trained(resume=True)
    assert 5000 + 30 - RESERVE - 1 <= clock.now <= 5000 + 30
    assert abs(runner.iter - (60 - RESERVE) / 0.1) <= 4
    assert len(machine.rates) == runner.iter - 300


def test_a_resumed_run_goes_on_with_the_data_and_the_rate(interrupted, trained):
    """The rates of a run that was interrupted are those of one that was not, but for rounding."""
    schedule = [
        {"type": "CosineAnnealingLR", "T_max": 10, "by_epoch": True, "convert_to_iter_based": True}
    ]
    _, whole = trained(param_scheduler=schedule, work_dir="whole")
    interrupted(300, param_scheduler=schedule)
    _, rest = trained(resume=True, param_scheduler=schedule)
    assert rest.rates[0] == pytest.approx(whole.rates[300], rel=1e-2)
    assert rest.rates[-1] == pytest.approx(whole.rates[-1], abs=1e-4)
    assert [each.tolist() for each in rest.seen[:20]] == [
        each.tolist() for each in whole.seen[300:320]
    ]


@pytest.mark.parametrize(("minutes", "iterations"), [(2, 1158), (0.75, 415)])
def test_a_resumed_run_takes_other_minutes(interrupted, trained, clock, minutes, iterations):
    interrupted(300)
    runner, _ = trained(resume=True, minutes=minutes)
    assert abs(runner.iter - iterations) <= 10


def test_a_run_that_is_done_is_only_validated_when_resumed(trained, clock, logged):
    trained()
    runner, machine = trained(resume=True)
    assert machine.rates == []
    assert machine.validated == [runner.iter]
    assert "is done: only its validation is run again" in logged.text


def test_a_run_that_was_stopped_before_its_plan_is_measured_when_resumed(interrupted, trained):
    interrupted(5)
    runner, _ = trained(resume=True)
    assert runner.iter > 500


def test_a_training_with_minutes_is_not_resumed_without(interrupted, budget_runner, by_epoch):
    interrupted(20)
    runner = budget_runner(**by_epoch, resume=True)
    with pytest.raises(UserError, match="training with minutes: go on with .* minutes=N"):
        runner.train()


def test_a_training_without_minutes_is_not_resumed_with_minutes(budget_runner, by_epoch):
    budget_runner(**by_epoch).train()
    with pytest.raises(UserError, match="of a training without minutes: go on with"):
        budget_runner(resume=True).train()


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"minutes": 1.0, "used": 0.0, "costs": [0.1, 0.0, 0.0], "plan": [1.0]},
        {"minutes": 1.0, "used": 0.0, "costs": None, "plan": [0.0] * 9},
        {"minutes": 1.0, "used": math.nan, "costs": [0.1, 0.0, 0.0], "plan": [0.0] * 9},
        {"minutes": 1.0, "used": "0", "costs": [0.1, 0.0, 0.0], "plan": [0.0] * 9},
        [1, 2],
    ],
)
def test_what_is_no_plan_is_refused(broken, budget_runner):
    assert not is_state(broken)
    loop = budget_runner().train_loop
    with pytest.raises(UserError, match="is no plan of a training with minutes"):
        loop.take_up(broken, 3)


def test_another_schedule_in_the_middle_is_refused(interrupted, budget_runner):
    schedule = {"type": "MultiStepLR", "milestones": [8], "by_epoch": True}
    interrupted(20, param_scheduler=[schedule])
    runner = budget_runner(resume=True, param_scheduler=[{**schedule, "milestones": [5]}])
    with pytest.raises(UserError, match="another schedule .*milestones 5 instead of 8"):
        runner.train()
