"""A resumed run goes by its config."""

import copy
import math

import pytest
import torch
from mmengine.hooks import Hook

from retina_plugin.errors import UserError
from retina_plugin.faults.small_training import silence, small_runner


def options(rate=0.1, decay=0.0, epochs=2, milestones=(3,), gamma=0.1, warmup=2, t_max=None):
    optimizer = {"type": "SGD", "lr": rate, "momentum": 0.9, "weight_decay": decay}
    warm = {"type": "LinearLR", "start_factor": 0.5, "by_epoch": False, "begin": 0, "end": warmup}
    falls = {"type": "MultiStepLR", "milestones": list(milestones), "gamma": gamma}
    if t_max:
        falls = {"type": "CosineAnnealingLR", "T_max": t_max, "eta_min": 0.001}
    return {
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": optimizer},
        "param_scheduler": [warm, {**falls, "by_epoch": True}],
        "train_cfg": {"by_epoch": True, "max_epochs": epochs},
    }


class Rates(Hook):
    """The rate of each epoch."""

    def __init__(self):
        self.seen = []

    def before_train_epoch(self, runner):
        self.seen.append(runner.optim_wrapper.get_lr()["lr"][0])


@pytest.fixture
def resumed(tmp_path, monkeypatch):
    """Rates of the third to the sixth epoch, the run, and what was said of its checkpoint."""

    def run(**changes):
        said, rates = [], Rates()
        monkeypatch.setattr("retina_plugin.engine.resumed_state.warn_of_checkpoint", said.append)
        with silence():
            small_runner(tmp_path, **options()).train()
            again = options(**{"epochs": 6, **changes})
            runner = small_runner(tmp_path, **again, resume=True)
            runner.register_hook(rates)
            runner.train()
        return rates.seen, runner, " ".join(said)

    return run


def test_a_run_that_is_lengthened_goes_on_as_one_of_that_length(resumed, tmp_path):
    rates, _, said = resumed()
    whole = Rates()
    with silence():
        runner = small_runner(tmp_path / "whole", **options(epochs=6))
        runner.register_hook(whole)
        runner.train()
    assert rates == pytest.approx(whole.seen[2:])
    assert said == "the run goes on by its config: MultiStepLR's end 6 instead of 2."


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"milestones": (1,)}, {"milestones": (4,)}),  # has fallen, and should not have
        ({"milestones": (3,)}, {"milestones": (1,)}),  # the other way round
        ({"warmup": 2}, {"warmup": 20}),
        ({"warmup": 20}, {"warmup": 2}),
        ({"t_max": 2}, {"t_max": 6}),
        ({"milestones": (1,)}, {"t_max": 6, "rate": 0.05}),
        ({"t_max": 2}, {"milestones": (1, 4)}),
    ],
)
def test_another_schedule_is_gone_on_with_as_if_it_had_been_from_the_start(first, second, tmp_path):
    """With rates of the third to the sixth epoch, whatever the first two were trained with."""
    whole, rates, second = Rates(), Rates(), {"epochs": 6, **second}
    with silence():
        runner = small_runner(tmp_path / "whole", **options(**second))
        runner.register_hook(whole)
        runner.train()
        small_runner(tmp_path / "halves", **options(**first)).train()
        runner = small_runner(tmp_path / "halves", **options(**second), resume=True)
        runner.register_hook(rates)
        runner.train()
    assert rates.seen == pytest.approx(whole.seen[2:])


def test_a_rate_that_was_lowered_is_gone_on_with(resumed):
    """As the guard advises after a loss that was not finite."""
    rates, _, said = resumed(rate=0.02)
    assert rates == pytest.approx([0.02, 0.002, 0.002, 0.002])
    assert "the run goes on by its config: lr 0.02 instead of 0.1;" in said


def test_a_schedule_that_was_lengthened_is_gone_on_with(resumed):
    rates, _, said = resumed(milestones=(4, 5), gamma=0.5)
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.025])
    assert "MultiStepLR's milestones 4, 5 instead of 3" in said
    assert "MultiStepLR's gamma 0.5 instead of 0.1" in said


def test_another_number_of_the_optimizer_is_gone_on_with(resumed):
    _, runner, said = resumed(decay=0.25)
    assert {group["weight_decay"] for group in runner.optim_wrapper.param_groups} == {0.25}
    assert "weight_decay 0.25 instead of 0.0" in said


def plateau(epochs, first="MultiStepLR"):
    """A list with one that waits for a metric, and so is not run again."""
    falls = {"milestones": [4]} if first == "MultiStepLR" else {"end": 3}
    own = options(epochs=epochs)
    own["param_scheduler"] = [
        {"type": first, "by_epoch": True, **falls},
        {"type": "ReduceOnPlateauLR", "monitor": "loss"},
    ]
    return own


@pytest.mark.parametrize("scheduler", [[], "plateau"])
def test_no_schedule_and_one_of_another_kind_are_gone_on_with(tmp_path, scheduler):
    second = options(epochs=3)
    second["param_scheduler"] = scheduler or []
    if scheduler == "plateau":
        second = plateau(3, "LinearLR")
    with silence():
        small_runner(tmp_path, **options()).train()
        runner = small_runner(tmp_path, **second, resume=True)
        runner.train()
    assert runner.epoch == 3


def test_beside_one_that_waits_for_a_metric_milestones_are_kept_too(tmp_path):
    rates = Rates()
    with silence():
        small_runner(tmp_path, **plateau(2)).train()
        runner = small_runner(tmp_path, **plateau(6), resume=True)
        runner.register_hook(rates)
        runner.train()
    assert rates.seen == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_rates_of_a_cycle_and_of_the_log_are_the_configs(tmp_path):
    """OneCycleLR keeps more in a group, and MMEngine logs a group of its own."""
    second = options(epochs=3)
    cycle = {"type": "OneCycleLR", "by_epoch": False, "eta_max": 0.5, "total_steps": 6}
    second["param_scheduler"] = [cycle]
    second["optim_wrapper"]["paramwise_cfg"] = {"bias_lr_mult": 0.5}
    first = options()
    first["optim_wrapper"]["paramwise_cfg"] = {"bias_lr_mult": 0.5}
    with silence():
        small_runner(tmp_path, **first).train()
        runner = small_runner(tmp_path, **second, resume=True)
        runner.train()
    rates = runner.optim_wrapper.get_lr()
    assert rates["base_lr"][0] == pytest.approx(max(rates["lr"]))


BROKEN = {
    "optimizer.param_groups": [
        lambda saved: saved["optimizer"].update(param_groups="x"),
        lambda saved: saved["optimizer"].update(param_groups=[3]),
        lambda saved: saved["optimizer"].update(param_groups=[{}]),
        lambda saved: saved["optimizer"].pop("param_groups"),
        lambda saved: saved["optimizer"]["param_groups"][0].update(lr="fast"),
        lambda saved: saved["optimizer"]["param_groups"][0].update(initial_lr=math.nan),
    ],
    "param_schedulers": [
        lambda saved: saved.update(param_schedulers=["a", "b"]),
        lambda saved: saved["param_schedulers"][0].update(base_values=["a"]),
        lambda saved: saved["param_schedulers"][1].update(_global_step="7"),
    ],
}


@pytest.mark.parametrize("key", BROKEN)
def test_what_holds_no_rates_is_a_sentence(key, tmp_path):
    with silence():
        small_runner(tmp_path, **options()).train()
        path = tmp_path / "epoch_2.pth"
        good = torch.load(path, weights_only=False)
        for spoil in BROKEN[key]:
            saved = copy.deepcopy(good)
            spoil(saved)
            torch.save(saved, path)
            with pytest.raises(UserError, match=key):
                small_runner(tmp_path, **options(epochs=3), resume=True).train()


def test_milestones_of_any_kind_give_way_to_the_configs(tmp_path):
    with silence():
        small_runner(tmp_path, **options()).train()
        path = tmp_path / "epoch_2.pth"
        saved = torch.load(path, weights_only=False)
        saved["param_schedulers"][1]["milestones"] = {1: 1, "a": 2}
        torch.save(saved, path)
        runner = small_runner(tmp_path, **options(epochs=3), resume=True)
        runner.train()
    assert list(runner.param_schedulers[1].milestones) == [3]


def test_a_training_of_which_nothing_is_left_says_so(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("retina_plugin.engine.resumed_state.warn_of_checkpoint", said.append)
    loop = {"by_epoch": False}
    hooks = {
        "checkpoint": {"type": "retina_plugin.CheckpointHook", "interval": 4, "by_epoch": False},
        "loaded_weights": {"type": "retina_plugin.LoadedWeightsHook"},
    }
    with silence():
        small_runner(tmp_path, train_cfg={**loop, "max_iters": 4}, default_hooks=hooks).train()
        cfg = {**loop, "max_iters": 2}
        small_runner(tmp_path, train_cfg=cfg, default_hooks=hooks, resume=True).train()
    assert "saved after 4 iterations, and the training has 2: nothing is left" in " ".join(said)
