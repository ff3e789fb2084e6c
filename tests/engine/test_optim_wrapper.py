"""bfloat16 training on the CPU, against float32."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from retina_plugin import precision
from retina_plugin.engine.optim_wrapper import MixedPrecisionOptimWrapper


class Model(BaseModule):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        return self.linear(x)


def wrapper(model, dtype="bfloat16", **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return MixedPrecisionOptimWrapper(dtype=dtype, optimizer=optimizer, **options)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_forward_runs_in_the_dtype_and_weights_stay_float32(dtype):
    model = Model()
    optim_wrapper = wrapper(model, dtype)
    with optim_wrapper.optim_context(model):
        output = model(torch.randn(2, 4))
    assert output.dtype == getattr(torch, dtype)
    optim_wrapper.update_params(output.float().sum())
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("available", [True, False])
def test_auto_takes_bfloat16_only_where_the_processor_has_it(available, monkeypatch, logged):
    monkeypatch.setattr(precision, "computes_in_bfloat16", lambda device_type: available)
    model = Model()
    optim_wrapper = wrapper(model, "auto")
    for _ in range(2):
        with optim_wrapper.optim_context(model):
            output = model(torch.randn(2, 4))
    name = "bfloat16" if available else "float32"
    assert output.dtype == getattr(torch, name)
    assert logged.text.count(f"Trains in {name} on cpu") == 1


def test_accumulation_and_clipping_work_as_in_float32():
    """Two steps of a half batch each, clipped to norm .5, equal one of the whole batch."""
    x, weights = torch.randn(4, 4), []
    for count in (1, 2):
        torch.manual_seed(0)
        model = Model()
        optim_wrapper = wrapper(
            model, "float32", accumulative_counts=count, clip_grad={"max_norm": 0.5}
        )
        optim_wrapper.initialize_count_status(model, 0, count)
        for part in x.chunk(count):
            with optim_wrapper.optim_context(model):
                loss = model(part).mean()
            optim_wrapper.update_params(loss)
        weights.append(model.linear.weight.detach())
    torch.testing.assert_close(weights[0], weights[1])


def test_another_dtype_is_an_error():
    with pytest.raises(ValueError, match="float16.*AmpOptimWrapper"):
        wrapper(Model(), "float16")
