"""The guess of a validation and a checkpoint, before there was one."""

from types import SimpleNamespace

import pytest
import torch

from retina_plugin.engine.budget.trial import (
    EVALUATED,
    SAFETY,
    TRIED,
    expected_save,
    expected_validation,
)


class Model(torch.nn.Linear):
    def __init__(self, clock, seconds):
        super().__init__(10, 10)
        self.clock, self.seconds, self.seen = clock, list(seconds), []

    def val_step(self, batch):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.clock.now += self.seconds.pop(0)
        self.seen.append(batch)


def loop_of(batches, images):
    class Loader(list):
        dataset = range(images)

    return SimpleNamespace(dataloader=Loader(range(batches)), fp16=False)


def test_a_validation_is_guessed_from_its_first_batches(clock):
    """The first, for which the workers start, counts once."""
    model = Model(clock, [5.0, 1.0, 2.0, 3.0])
    runner = SimpleNamespace(model=model, val_loop=loop_of(101, 200))
    assert expected_validation(runner) == pytest.approx(5 + SAFETY * 2 * 100 + EVALUATED * 200)
    assert model.seen == list(range(TRIED))


def test_a_validation_of_one_batch_is_guessed_from_that(clock):
    runner = SimpleNamespace(model=Model(clock, [5.0]), val_loop=loop_of(1, 3))
    assert expected_validation(runner) == pytest.approx(5 + EVALUATED * 3)


def test_without_a_validation_it_takes_no_time():
    assert expected_validation(SimpleNamespace(val_loop=None)) == 0


def test_a_checkpoint_takes_as_long_as_its_bytes(clock):
    assert expected_save(SimpleNamespace(model=Model(clock, []))) == pytest.approx(
        3 * 4 * 110 / 100e6
    )
