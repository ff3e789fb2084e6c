"""A run that was ended and resumed is, bit by bit, the run that was not."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from retina_plugin.engine.accumulation import GRADIENTS

pytestmark = pytest.mark.slow

BY_ITERATION = {
    "train_cfg": {
        "type": "IterBasedTrainLoop",
        "max_iters": 6,
        "val_interval": 4,
        "_delete_": True,
    },
    "train_dataloader.sampler": {"type": "InfiniteSampler", "_delete_": True},
}
RANDOM = {
    "train_cfg.max_epochs": 3,
    "train_dataloader.batch_size": 1,
    "randomness.seed": None,
    "default_hooks.checkpoint.by_epoch": False,
    "default_hooks.checkpoint.max_keep_ckpts": 2,
}


class Ended(Exception):  # noqa: N818 (nobody's fault)
    """In place of a kill."""


class EndAt(Hook):
    """Ends the run after an iteration, once its checkpoint is written."""

    priority = "LOWEST"

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, *_, **__):
        if runner.iter + 1 == self.iteration:
            raise Ended


def weights(path):
    return torch.load(path, weights_only=False)


@pytest.fixture
def run(tiny_config, tmp_path):
    """Train in a folder, to the end or to an iteration."""

    def train(name, end_at=None, resume=False, **options):
        asked = {**RANDOM, **copy.deepcopy(options), "work_dir": str(tmp_path / name)}
        if "train_cfg" in options:
            del asked["train_cfg.max_epochs"]
        cfg = tiny_config(**asked)
        cfg.resume = resume
        cfg.default_hooks.checkpoint.interval = 1  # not scaled with the batch size
        if "max_iters" in cfg.train_cfg:
            cfg.train_cfg.update(max_iters=6, val_interval=4)
        runner = Runner.from_cfg(cfg)
        if end_at:
            runner.register_hook(EndAt(end_at))
            with pytest.raises(Ended):
                runner.train()
        else:
            runner.train()
        return Path(runner.work_dir), runner.seed

    return train


def assert_same(first, second):
    for part in ("state_dict", "optimizer"):
        torch.testing.assert_close(second[part], first[part], rtol=0, atol=0)
    assert second["param_schedulers"] == first["param_schedulers"]
    assert second["meta"]["iter"] == first["meta"]["iter"]
    assert second["meta"]["epoch"] == first["meta"]["epoch"]


@pytest.mark.parametrize(("end_at", "workers"), [(2, 2), (4, 0), (6, 0)])
def test_end_in_the_middle_or_at_the_end_of_an_epoch_changes_nothing(run, end_at, workers):
    options = {
        "train_dataloader.num_workers": workers,
        "train_dataloader.persistent_workers": workers > 0,
    }
    folder, seed = run("whole", **options)
    options["randomness.seed"] = seed
    run("halves", end_at=end_at, **options)
    options["randomness.seed"] = None  # it comes with the checkpoint
    other, _ = run("halves", resume=True, **options)
    assert_same(weights(folder / "iter_12.pth"), weights(other / "iter_12.pth"))


def test_runs_by_iteration_go_on_exactly_too(run):
    folder, seed = run("whole", **BY_ITERATION)
    run("halves", end_at=3, **{**BY_ITERATION, "randomness.seed": seed})
    other, _ = run("halves", resume=True, **BY_ITERATION)
    assert_same(weights(folder / "iter_6.pth"), weights(other / "iter_6.pth"))


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")  # MMEngine's order
@pytest.mark.parametrize("end_at", [2, 4])
def test_gradients_that_accumulate_come_along(run, end_at):
    """Steps are after 3, 6, 9 and 12; the epoch has 4 iterations."""
    options = {"optim_wrapper.accumulative_counts": 3}
    folder, seed = run("whole", **options)
    options["randomness.seed"] = seed
    run("halves", end_at=end_at, **options)
    other, _ = run("halves", resume=True, **options)
    assert_same(weights(folder / "iter_12.pth"), weights(other / "iter_12.pth"))
    assert GRADIENTS not in weights(other / "iter_12.pth")


def test_number_of_workers_does_not_matter(run):
    folder, seed = run("none")
    two = {"train_dataloader.num_workers": 2, "randomness.seed": seed}
    other, _ = run("two", **two)
    assert_same(weights(folder / "iter_12.pth"), weights(other / "iter_12.pth"))


@pytest.mark.parametrize("end_at", [4, 5])
def test_epochs_of_another_length_are_trained_whole(run, end_at):
    """One epoch of 4 batches is done, or one and a batch; now 2 batches are an epoch.

    After 4 iterations 2 would be of the second epoch, which it must not be taken for.
    """
    run("halves", end_at=end_at)
    folder, _ = run("halves", resume=True, **{"train_dataloader.batch_size": 2})
    last = max(folder.glob("epoch_*.pth"), key=lambda path: path.stat().st_mtime, default=None)
    iterations = sorted(int(path.stem[5:]) for path in folder.glob("iter_*.pth"))
    assert last is None
    assert iterations[-1] == end_at + 2 * 2  # two epochs of two batches, nothing passed over


def test_checkpoint_of_other_epochs_begins_an_epoch(run):
    """As when the batch size was changed in between."""
    run("halves", end_at=3)
    folder, _ = run("halves", resume=True, **{"train_dataloader.batch_size": 4})
    logs = [path.read_text() for path in folder.glob("*/*.log")]
    assert any("does not fit epochs of 1" in log for log in logs)
