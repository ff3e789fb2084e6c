"""A clock that a test turns, and a machine that takes as long as the test says."""

import pytest
import torch
from mmengine.hooks import Hook

from retina_plugin.engine.budget import stopwatch
from retina_plugin.faults.small_training import silence, small_runner


class Clock:
    """Stands still until it is turned."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "clock", clock)
    return clock


class Machine(Hook):
    """Takes `step(iteration)` seconds for an iteration, and so on.

    Args:
        clock: to turn.
        step: seconds of an iteration, by its number.
        batch: seconds of a batch in a validation.
        save: seconds of a checkpoint.
    """

    priority = "VERY_HIGH"

    def __init__(self, clock, step, batch=0.0, save=0.0):
        self.clock, self.step, self.batch, self.save = clock, step, batch, save
        self.rates, self.seen, self.validated = [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch):
        self.seen.append(torch.stack(list(data_batch["inputs"])))
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])

    def after_train_iter(self, runner, *_, **__):
        self.clock.now += self.step(runner.iter)

    def before_val(self, runner):
        self.validated.append(runner.iter)

    def after_val_iter(self, *_, **__):
        self.clock.now += self.batch

    def before_save_checkpoint(self, *_, **__):
        self.clock.now += self.save


SAMPLES = [{"inputs": torch.tensor([i, 1.0 - i])} for i in range(8)]
LOADER = {"sampler": {"type": "DefaultSampler", "shuffle": False}, "batch_size": 4}
HOOKS = {
    "checkpoint": {"type": "retina_plugin.ShareCheckpointHook", "interval": 1},
    "param_scheduler": {"type": "retina_plugin.ShareSchedulerHook"},
    "loaded_weights": {"type": "retina_plugin.LoadedWeightsHook"},
    "seed": {"type": "retina_plugin.SeedHook"},
}


@pytest.fixture
def by_epoch():
    """Options of a training of two epochs, without minutes."""
    return {
        "train_cfg": {"type": "retina_plugin.EpochBasedTrainLoop", "max_epochs": 2},
        "train_dataloader": {**LOADER, "dataset": SAMPLES},
        "default_hooks": {
            "checkpoint": {"type": "retina_plugin.CheckpointHook", "interval": 1},
            "loaded_weights": {"type": "retina_plugin.LoadedWeightsHook"},
        },
    }


@pytest.fixture
def budget_runner(tmp_path):
    """A small training with minutes: 4 iterations an epoch, a validation of 2 batches."""

    def build(minutes=1.0, max_epochs=10, loop=(), validates=True, work_dir="run", **options):
        validation = {
            "val_dataloader": {**LOADER, "dataset": SAMPLES},
            "val_evaluator": {"type": "DumpResults", "out_file_path": str(tmp_path / "a.pkl")},
            "val_cfg": {},
        }
        settings = {
            "train_cfg": {
                "type": "retina_plugin.BudgetTrainLoop",
                "minutes": minutes,
                "max_epochs": max_epochs,
                **dict(loop),
            },
            "train_dataloader": {
                "dataset": SAMPLES,
                "sampler": {"type": "InfiniteSampler"},
                "batch_size": 2,
            },
            "default_hooks": HOOKS,
            "log_processor": {"by_epoch": False},
            **(validation if validates else {}),
            **options,
        }
        with silence():
            return small_runner(tmp_path / work_dir, **settings)

    return build


@pytest.fixture
def trained(budget_runner, clock):
    """Train on a machine; gives runner and machine."""

    def run(step=lambda _: 0.1, batch=0.0, save=0.0, **options):
        runner = budget_runner(**options)
        machine = Machine(clock, step, batch, save)
        runner.register_hook(machine)
        with silence():
            runner.train()
        return runner, machine

    return run
