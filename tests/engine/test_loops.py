"""What a loop trains on after a resume."""

import pytest
import torch

from retina_plugin.faults.small_training import silence, small_runner

SAMPLES = [{"inputs": torch.tensor([i, 1.0 - i])} for i in range(8)]
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


def test_epochs_of_several_lengths_are_trained_whole(trained):
    """Eight samples: 4 iterations of the first epoch, 2 of each other, over three resumes."""
    assert trained(1, batch_size=2) == 4
    assert trained(2, batch_size=4) == 6
    assert trained(3, batch_size=4) == 8
    assert trained(4, batch_size=8) == 9
