import random

import numpy as np
import pytest
import torch

from retina_plugin.engine.seeding import generators_kept


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
