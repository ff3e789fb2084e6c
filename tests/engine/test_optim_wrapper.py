"""bfloat16 training on the CPU, against float32."""

import copy

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from retina_plugin import processor
from retina_plugin.compat.torch_features import can_fuse
from retina_plugin.engine.optim_wrapper import MixedPrecisionOptimWrapper, align_layouts

needs_fused = pytest.mark.skipif(
    not can_fuse("SGD", "cpu"), reason="this PyTorch has no fused optimizers on the CPU"
)


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
    monkeypatch.setattr(processor, "computes_in_bfloat16", lambda device_type: available)
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


@needs_fused
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_fused_step_learns_the_right_gradient_in_any_layout(name):
    """PyTorch's own takes the memory of a gradient in another layout for that of its weight."""
    start, gradient = torch.randn(6, 5, 3, 3), torch.randn(6, 5, 3, 3)
    results = []
    for fused, layout in ((False, torch.contiguous_format), (True, torch.channels_last)):
        weight = torch.nn.Parameter(start.clone().contiguous(memory_format=layout))
        optimizer = getattr(torch.optim, name)([weight], lr=0.1, fused=fused)
        wrapper = MixedPrecisionOptimWrapper(optimizer=optimizer)
        for _ in range(2):
            weight.grad = gradient.clone()
            wrapper.step()
        results.append(weight.detach().contiguous())
    torch.testing.assert_close(results[1], results[0])


@needs_fused
def test_momentum_of_a_run_in_another_layout_goes_on_right():
    """As when a checkpoint of `fast=False` is resumed with `fast=True`."""
    start, gradient = torch.randn(6, 5, 3, 3), torch.randn(6, 5, 3, 3)
    old = torch.nn.Parameter(start.clone())
    plain = torch.optim.SGD([old], lr=0.1, momentum=0.9)
    old.grad = gradient
    plain.step()
    state = copy.deepcopy(plain.state_dict())
    new = torch.nn.Parameter(old.detach().contiguous(memory_format=torch.channels_last))
    fused = torch.optim.SGD([new], lr=0.1, momentum=0.9, fused=True)
    optim_wrapper = MixedPrecisionOptimWrapper(optimizer=fused)
    optim_wrapper.load_state_dict(state)
    assert fused.param_groups[0]["fused"] is True  # the config's, not the run's that saved
    new.grad = gradient.contiguous(memory_format=torch.channels_last)
    optim_wrapper.step()
    plain.step()
    torch.testing.assert_close(new.detach().contiguous(), old.detach())


@needs_fused
def test_a_fast_run_is_resumed_by_a_plain_one():
    """The other way round: the saved groups say fused, which steps over momenta in any layout."""
    start, gradient = torch.randn(6, 5, 3, 3), torch.randn(6, 5, 3, 3)
    lasting = torch.channels_last
    old = torch.nn.Parameter(start.contiguous(memory_format=lasting))
    fused = torch.optim.SGD([old], lr=0.1, momentum=0.9, fused=True)
    old.grad = gradient.contiguous(memory_format=lasting)
    fused.step()
    new = torch.nn.Parameter(old.detach().contiguous())
    plain = torch.optim.SGD([new], lr=0.1, momentum=0.9)
    optim_wrapper = MixedPrecisionOptimWrapper(optimizer=plain)
    optim_wrapper.load_state_dict(copy.deepcopy(fused.state_dict()))
    new.grad = gradient
    optim_wrapper.step()
    fused.step()
    torch.testing.assert_close(new.detach(), old.detach().contiguous())


def test_a_kernel_that_this_pytorch_has_not_is_left_out_of_a_resumed_state():
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.defaults.pop("fused", None)  # as in PyTorch 2.1
    state = optimizer.state_dict()
    state["param_groups"][0]["fused"] = True
    wrapper = MixedPrecisionOptimWrapper(optimizer=optimizer)
    wrapper.load_state_dict(state)
    assert not optimizer.param_groups[0].get("fused")


def test_gradients_that_lie_as_their_weights_are_not_copied():
    for shape in ((6, 5, 3, 3), (6, 5, 1, 1), (6,)):
        weight = torch.nn.Parameter(torch.randn(shape))
        weight.grad = torch.randn(shape)
        if len(shape) == 4 and shape[2] == 1:  # the same memory under other strides
            weight.grad = weight.grad.as_strided(shape, (5, 1, 5, 5))
        place = weight.grad.data_ptr()
        align_layouts(torch.optim.SGD([weight, torch.nn.Parameter(torch.ones(2))], lr=0.1))
        assert weight.grad.data_ptr() == place
