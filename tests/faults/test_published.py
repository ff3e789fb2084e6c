"""Honest checkpoints load to what was saved, in every layout."""

import io
from pickle import UnpicklingError

import pytest
import torch

from retina_plugin.faults.published import CASES, ROWS, difference


def test_every_layout_loads_to_equal_tensors():
    outcome = ROWS[0].ours(ROWS[0].trials)
    assert outcome.passed, outcome.failures
    assert outcome.trials == len(CASES) == 6 + 6 * 6 * 2


def torch_calls_what_a_file_names():
    """As `torch.load` does on its own accord before PyTorch 2.6."""
    file = io.BytesIO()
    torch.save(io.BytesIO(), file)
    file.seek(0)
    try:
        torch.load(file)
    except UnpicklingError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")
def test_stock_does_not_read_what_mmengine_writes():
    if torch_calls_what_a_file_names():
        pytest.skip("this PyTorch reads every pickle")
    outcome = ROWS[0].stock(1)
    assert not outcome.passed
    assert outcome.failures[0].startswith("own, SGD")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": [torch.ones(1)]}, {"a": [torch.zeros(1)]}),
        ({"a": torch.ones(1)}, {"a": torch.ones(1).half()}),
        ({"a": (1,)}, {"a": [1]}),
        ({"a": [1]}, {"a": [1, 2]}),
    ],
)
def test_a_difference_is_seen(a, b):
    assert difference(a, b)
    assert difference(a, a) is None
