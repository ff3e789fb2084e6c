import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler

from retina_plugin.engine.seeding import SeedHook, generators_kept


def numbers():
    return random.random(), np.random.rand(), torch.rand(()).item()


def seed():
    torch.manual_seed(0), np.random.seed(0), random.seed(0)


def test_generators_go_on_as_before_an_error_too():
    seed()
    expected = numbers()
    seed()
    with generators_kept():
        numbers()
    with pytest.raises(KeyError), generators_kept():
        numbers()
        raise KeyError
    assert numbers() == expected


@pytest.mark.parametrize(("own", "expected"), [({}, 7), ({"seed": 5}, 5), ({"seed": None}, 7)])
def test_a_sampler_has_the_runs_seed_unless_it_has_one_of_its_own(own, expected):
    """The run's may have come with the checkpoint, after the sampler was built with 0."""
    sampler = DefaultSampler([1, 2, 3], seed=own.get("seed") or 0)
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(batch_sampler=None, sampler=sampler),
        _randomness_cfg={},
        seed=7,
        cfg=Config({"train_dataloader": {"sampler": {"type": "DefaultSampler", **own}}}),
    )
    SeedHook().before_train(runner)
    assert sampler.seed == expected
