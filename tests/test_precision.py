"""Which floating-point type runs where."""

import pytest
import torch

from retina_plugin import processor
from retina_plugin.compat.torch_features import is_autocast_on
from retina_plugin.precision import autocast_of, check_dtype, chosen_dtype


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_what_the_processor_computes_in(has_it, expected, monkeypatch):
    monkeypatch.setattr(processor, "computes_in_bfloat16", lambda device_type: has_it)
    assert chosen_dtype("auto", "cpu") == expected
    assert chosen_dtype("float32", "cpu") == "float32"
    assert chosen_dtype("bfloat16", "cpu") == "bfloat16"


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_autocast_computes_in_the_type(dtype):
    layer = torch.nn.Linear(2, 2)
    with autocast_of(dtype, "cpu"):
        assert layer(torch.ones(1, 2)).dtype == getattr(torch, dtype)


@pytest.mark.parametrize("device_type", ["mps", "npu", "xpu", "meta"])
def test_a_device_without_autocast_computes_in_float32_without_it(device_type):
    assert not is_autocast_on(device_type)
    with autocast_of("float32", device_type):
        assert torch.ones(1).dtype == torch.float32


def test_float32_leaves_an_autocast_that_is_on():
    layer = torch.nn.Linear(2, 2)
    with autocast_of("bfloat16", "cpu"), autocast_of("float32", "cpu"):
        assert layer(torch.ones(1, 2)).dtype == torch.float32


def test_another_type_names_the_key():
    with pytest.raises(ValueError, match="model.dtype must be one of .* got 'float16'"):
        check_dtype("float16", "model.dtype")
