"""Schedulers and checkpoints that go by the share of the training."""

import pytest
import torch

COSINE = {"type": "CosineAnnealingLR", "by_epoch": True, "T_max": 10, "eta_min": 0.0}
STEPS = {"type": "MultiStepLR", "by_epoch": True, "milestones": [5, 8]}
WARM = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 8}


def test_the_rate_goes_through_the_whole_schedule(trained):
    runner, machine = trained(param_scheduler=[WARM, STEPS])
    rates, iterations = machine.rates, runner.iter
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1)
    # Ten epochs; the measurement takes 11 iterations at the beginning.
    falls = [i for i in range(1, iterations) if rates[i] < 0.5 * rates[i - 1]]
    wanted = [11 + share * (iterations - 11) for share in (0.5, 0.8)]
    assert falls == pytest.approx(wanted, abs=1.5)
    assert rates[-1] == pytest.approx(0.001)


def test_the_rate_of_a_machine_that_changes_goes_through_it_as_well(trained):
    converted = {**COSINE, "convert_to_iter_based": True}
    runner, machine = trained(
        step=lambda iteration: 0.1 if iteration < 150 else 0.5, param_scheduler=[WARM, converted]
    )
    rates = machine.rates
    assert runner.iter < 300
    jumps = [abs(after - before) for before, after in zip(rates, rates[1:], strict=False)]
    assert max(jumps[10:]) < 0.005
    assert rates[-1] < 0.002


def test_checkpoints_are_as_many_as_in_the_config(trained, tmp_path):
    hooks = {
        "checkpoint": {"type": "retina_plugin.ShareCheckpointHook", "interval": 2},
        "param_scheduler": {"type": "retina_plugin.ShareSchedulerHook"},
    }
    runner, _ = trained(default_hooks=hooks)
    saved = sorted(int(path.stem[5:]) for path in (tmp_path / "run").glob("iter_*.pth"))
    assert len(saved) == 5
    assert saved[-1] == runner.iter
    parts = [(after - before) for before, after in zip(saved, saved[1:], strict=False)]
    assert max(parts) - min(parts) <= 2


def test_checkpoints_that_take_long_are_spared(trained, tmp_path):
    runner, _ = trained(save=3.0)
    saved = list((tmp_path / "run").glob("iter_*.pth"))
    assert 1 < len(saved) < 5
    assert (tmp_path / f"run/iter_{runner.iter}.pth").exists()


def test_an_interval_in_iterations_is_a_share_too(trained, tmp_path):
    """Ten epochs of 4 iterations are 40; every 20 is twice."""
    hook = {"type": "retina_plugin.ShareCheckpointHook", "interval": 20, "by_epoch": False}
    trained(default_hooks={"checkpoint": hook})
    assert len(list((tmp_path / "run").glob("iter_*.pth"))) == 2


def test_saving_begins_where_the_config_has_it_begin(trained, tmp_path):
    hook = {"type": "retina_plugin.ShareCheckpointHook", "interval": 1, "save_begin": 8}
    trained(default_hooks={"checkpoint": hook})
    assert len(list((tmp_path / "run").glob("iter_*.pth"))) == 3


def test_without_an_interval_the_last_is_saved(trained, tmp_path):
    runner, _ = trained(default_hooks={"checkpoint": {"type": "retina_plugin.ShareCheckpointHook"}})
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] == [f"iter_{runner.iter}.pth"]


def test_the_plan_is_in_the_checkpoint(trained, tmp_path):
    runner, _ = trained()
    checkpoint = torch.load(tmp_path / f"run/iter_{runner.iter}.pth", weights_only=False)
    assert checkpoint["meta"]["budget"]["plan"] == runner.train_loop.plan.numbers()
