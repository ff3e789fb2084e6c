"""What a loop trains on after a resume."""

import os
import signal

import pytest
import torch
from mmengine.hooks import Hook

from retina_plugin.engine.loops import end_workers
from retina_plugin.engine.stopping import StopHook
from retina_plugin.errors import Stopped
from retina_plugin.faults.small_training import silence, small_runner

SAMPLES = [{"inputs": torch.tensor([i, 1.0 - i])} for i in range(8)]
LOADER = {"sampler": {"type": "DefaultSampler", "shuffle": False}, "batch_size": 4}
LOOP = "retina_plugin.EpochBasedTrainLoop"


@pytest.fixture
def trained(tmp_path):
    """Train to an epoch, with resumes where there is a checkpoint; gives all iterations so far."""

    def run(epochs, batch_size):
        with silence():
            runner = small_runner(
                tmp_path,
                train_cfg={"type": LOOP, "max_epochs": epochs},
                resume=(tmp_path / "last_checkpoint").exists(),
            )
            runner._train_dataloader.update(dataset=SAMPLES, batch_size=batch_size)
            runner.train()
        return runner.iter

    return run


def test_a_stop_in_the_validation_that_a_resume_begins_with_skips_nothing(tmp_path):
    """Two iterations an epoch; what the checkpoint says of the epoch's beginning was 0 before."""

    class Stop(Hook):
        def before_val_iter(self, runner, *_, **__):
            os.kill(os.getpid(), signal.SIGTERM)

    def runner(epochs, *hooks):
        validation = {
            "val_dataloader": {**LOADER, "dataset": SAMPLES},
            "val_evaluator": {"type": "DumpResults", "out_file_path": str(tmp_path / "a.pkl")},
            "val_cfg": {},
        }
        resume = (tmp_path / "last_checkpoint").exists()
        loop = {"type": LOOP, "max_epochs": epochs}
        made = small_runner(tmp_path, train_cfg=loop, resume=resume, **validation)
        made.register_hook(StopHook())
        for hook in hooks:
            made.register_hook(hook)
        return made

    with silence():
        runner(1).train()
        with pytest.raises(Stopped):
            runner(4, Stop()).train()
        last = runner(4)
        last.train()
    assert (last.epoch, last.iter) == (4, 8)


def test_epochs_of_several_lengths_are_trained_whole(trained):
    """Eight samples: 4 iterations of the first epoch, 2 of each other, over three resumes."""
    assert trained(1, batch_size=2) == 4
    assert trained(2, batch_size=4) == 6
    assert trained(3, batch_size=4) == 8
    assert trained(4, batch_size=8) == 9


def test_workers_are_ended_with_the_run(tmp_path):
    """Python's exit would kill them, and complain of it."""
    loader = {**LOADER, "dataset": SAMPLES, "num_workers": 1, "persistent_workers": True}
    with silence():
        runner = small_runner(
            tmp_path,
            train_dataloader={**loader, "sampler": {"type": "InfiniteSampler"}},
            train_cfg={"type": "retina_plugin.IterBasedTrainLoop", "max_iters": 3},
        )
        runner.train()
    (worker,) = runner.train_loop.dataloader_iterator._iterator._workers
    assert worker.is_alive()
    end_workers(runner)
    assert not worker.is_alive()
