"""The rates of a training with minutes, beside those of the schedule as the config has it."""

import copy

import pytest
import torch
from mmengine.optim import _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS

from retina_plugin.engine.budget.plan import Costs, Line, Plan, Task, open_plan, replanned
from retina_plugin.engine.budget.schedule import Schedule

EPOCHS, LENGTH = 6, 20
ALL = EPOCHS * LENGTH
COSINE = {"type": "CosineAnnealingLR", "by_epoch": True, "T_max": EPOCHS, "eta_min": 1e-4}
MAIN = {
    "MultiStepLR by epoch": {"type": "MultiStepLR", "by_epoch": True, "milestones": [4, 5]},
    "MultiStepLR": {"type": "MultiStepLR", "by_epoch": False, "milestones": [80, 106]},
    "StepLR": {"type": "StepLR", "by_epoch": False, "step_size": 50},
    "CosineAnnealingLR by epoch": COSINE,
    "CosineAnnealingLR converted": {**COSINE, "convert_to_iter_based": True},
    "CosineAnnealingLR": {**COSINE, "by_epoch": False, "T_max": ALL},
    "CosineAnnealingLR from its middle": {**COSINE, "by_epoch": False, "begin": 60, "T_max": 60},
    "PolyLR": {"type": "PolyLR", "by_epoch": False, "end": ALL, "power": 0.9},
    "LinearLR down": {
        "type": "LinearLR",
        "by_epoch": False,
        "start_factor": 1.0,
        "end_factor": 0.1,
        "end": ALL + 1,
    },
    "LinearLR up all the way": {
        "type": "LinearLR",
        "by_epoch": False,
        "start_factor": 0.1,
        "end": ALL,
    },
}
WARM = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 24}
WARM_BY_EPOCH = {**WARM, "by_epoch": True, "end": 2, "convert_to_iter_based": True}
WRITTEN = Schedule(ALL, EPOCHS)


def built(configs):
    """Optimizer and schedulers."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    default = {"optimizer": optimizer, "epoch_length": LENGTH}
    schedulers = []
    for config in copy.deepcopy(configs):
        if not config.get("convert_to_iter_based"):
            default.pop("epoch_length", None)
        else:
            default["epoch_length"] = LENGTH
        schedulers.append(PARAM_SCHEDULERS.build(config, default_args=default))
    assert all(isinstance(each, _ParamScheduler) for each in schedulers)
    return optimizer, schedulers


def rate(optimizer):
    return optimizer.param_groups[0]["lr"]


def as_written(configs):
    """Rate before each iteration, and after the last."""
    optimizer, schedulers = built(configs)
    rates = [rate(optimizer)]
    for done in range(1, ALL + 1):
        optimizer.step()
        for each in schedulers:
            if not each.by_epoch or done % LENGTH == 0:
                each.step()
        rates.append(rate(optimizer))
    return rates


def followed(configs, plans):
    """Rate before each iteration, and after the last, of a training whose plans come in turn.

    Args:
        configs: of schedulers.
        plans: from an iteration on, by this iteration.
    """
    optimizer, schedulers = built(configs)
    rates, plan, done = [rate(optimizer)], plans[0], 0
    while done < plan.training.end:
        plan = plans.get(done, plan)
        done += 1
        optimizer.step()
        for each in schedulers:
            steps = WRITTEN.steps(each, plan, done) - WRITTEN.steps(each, plan, done - 1)
            for _ in range(steps):
                each.step()
        rates.append(rate(optimizer))
    return rates


def plan_of(end, warm_up=0, training=None):
    return Plan(training or Line(0.0, 0, end), Line(0.0, 0, max(warm_up, 1)), 0, 1.0, 1.0)


@pytest.mark.parametrize("name", MAIN)
def test_as_many_iterations_as_in_the_config_have_its_rates(name):
    assert followed([MAIN[name]], {0: plan_of(ALL)}) == as_written([MAIN[name]])


@pytest.mark.parametrize("name", MAIN)
@pytest.mark.parametrize("factor", [3, 5])
def test_the_rate_is_that_of_the_share_that_is_done(name, factor):
    """Three or five times as long, and as short."""
    written = as_written([MAIN[name]])
    longer = followed([MAIN[name]], {0: plan_of(factor * ALL)})
    shorter = followed([MAIN[name]], {0: plan_of(ALL // factor)})
    assert longer[::factor] == written
    assert shorter == written[::factor]


@pytest.mark.parametrize("warm", [WARM, WARM_BY_EPOCH])
def test_a_warm_up_goes_at_its_own_pace(warm):
    """24 iterations or two epochs in 12, of a training that is as long as in the config."""
    end = 24 if warm is WARM else 2 * LENGTH
    written = as_written([warm])
    assert followed([warm], {0: plan_of(ALL, warm_up=end)}) == written
    short = followed([warm], {0: plan_of(ALL, warm_up=12)})
    assert short[12:] == [pytest.approx(1.0)] * (ALL - 11)
    assert short[:12] == sorted(set(short[:12]))
    assert short[0] == written[0] == pytest.approx(0.1)


def test_a_warm_up_in_epochs_that_stays_so_ends_too():
    warm = {**WARM_BY_EPOCH, "convert_to_iter_based": False}
    assert followed([warm], {0: plan_of(ALL, warm_up=6)})[6:] == [pytest.approx(1.0)] * (ALL - 5)


@pytest.mark.parametrize(("warm", "iterations"), [(WARM, 24), (WARM_BY_EPOCH, 40)])
def test_the_length_of_a_warm_up_is_in_iterations(warm, iterations):
    _, schedulers = built([warm, MAIN["MultiStepLR by epoch"]])
    assert WRITTEN.warm_up(schedulers) == iterations


def test_what_rises_over_the_whole_training_or_falls_is_no_warm_up():
    names = "LinearLR down", "LinearLR up all the way"
    _, schedulers = built([MAIN[name] for name in names])
    assert WRITTEN.warm_up(schedulers) == 0


def test_a_new_plan_makes_no_jump():
    """Warm-up and cosine; the machine turns out three times as slow, then six times as fast."""
    task, costs = Task(24, 1.0, 1.0, 1, reserve=0.0), Costs(1.0, 0.0, 0.0)
    configs = [WARM, MAIN["CosineAnnealingLR"]]
    plans, plan = {}, open_plan(task, 4)
    plans[0] = plan
    for done, seconds, step in ((4, 300, 1.0), (100, 204, 3.0), (120, 180, 0.5)):
        plan = plans[done] = replanned(plan, done, seconds, costs._replace(step=step), task)
    rates = followed(configs, plans)
    assert len(rates) == 120 + 360 + 1
    steps = [abs(after - before) for before, after in zip(rates, rates[1:], strict=False)]
    # 0.9 of warm-up in 24 iterations; a whole cosine in 168 falls by no more than this.
    assert max(steps) < 0.045
    assert rates[-1] == pytest.approx(COSINE["eta_min"], abs=1e-3)
    top = max(rates)
    assert 0.9 < top <= 1.0


def test_a_milestone_is_passed_once_whatever_the_plans():
    task, costs = Task(0, 1.0, 1.0, 1, reserve=0.0), Costs(1.0, 0.0, 0.0)
    plans, plan = {}, open_plan(task, 0)
    plans[0] = plan = replanned(plan, 0, 100, costs, task)
    for done, seconds in ((50, 500), (100, 20), (110, 50)):
        plan = plans[done] = replanned(plan, done, seconds, costs, task)
    rates = followed([MAIN["MultiStepLR"]], plans)
    assert sorted(set(rates), reverse=True) == pytest.approx([1.0, 0.1, 0.01])
    assert rates == sorted(rates, reverse=True)


def test_shares_are_parts_of_the_length_in_either_unit():
    assert WRITTEN.share(2, by_epoch=True) == pytest.approx(1 / 3)
    assert WRITTEN.share(30, by_epoch=False) == pytest.approx(1 / 4)
    assert WRITTEN.share(-1, by_epoch=True) == 1.0
