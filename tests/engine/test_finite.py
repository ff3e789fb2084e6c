import copy

import pytest
import torch
from torch import nn

from retina_plugin.compat.torch_features import can_fuse
from retina_plugin.engine.finite import FiniteGuard, begin_momenta
from retina_plugin.engine.optim_wrapper import MixedPrecisionOptimWrapper

needs_fused = pytest.mark.skipif(
    not can_fuse("SGD", "cpu"), reason="this PyTorch has no fused optimizers on the CPU"
)
FUSED = [False, pytest.param(True, marks=needs_fused)]
BAD = [float("nan"), float("inf"), -float("inf")]


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def guarded(model, accumulative_counts=1, **options):
    if not options.get("fused"):
        options.pop("fused", None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, **options)
    wrapper = MixedPrecisionOptimWrapper(
        "float32", optimizer=optimizer, accumulative_counts=accumulative_counts
    )
    wrapper.guard = FiniteGuard(model)
    return wrapper


def iterate(model, wrapper, x, factor=1.0, add=0.0):
    wrapper.guard.begin()
    wrapper.update_params((model(x) * factor).sum() + add)
    return bool(wrapper.guard.found)


def copies(model, wrapper):
    state = wrapper.optimizer.state_dict()["state"]
    momenta = {f"momentum {k}": v["momentum_buffer"].clone() for k, v in state.items()}
    return {k: v.clone() for k, v in model.state_dict().items()} | momenta


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("bad", BAD)
def test_bad_pixels_change_neither_weights_nor_momenta_nor_statistics(model, bad, fused):
    wrapper, x = guarded(model, fused=fused), torch.randn(5, 3)
    assert not iterate(model, wrapper, x)
    before = copies(model, wrapper)
    spoilt = x.clone()
    spoilt[1, 1] = bad
    assert iterate(model, wrapper, spoilt)
    torch.testing.assert_close(copies(model, wrapper), before, rtol=0, atol=0)
    assert not iterate(model, wrapper, x)
    assert not torch.equal(copies(model, wrapper)["0.weight"], before["0.weight"])


def test_an_infinite_loss_with_finite_gradients_is_seen(model):
    wrapper, x = guarded(model), torch.randn(5, 3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert iterate(model, wrapper, x, add=float("inf"))
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


def test_a_gradient_that_overflows_under_a_finite_loss_is_seen(model):
    wrapper = guarded(model)
    x = torch.randn(5, 3)
    iterate(model, wrapper, x)
    before = copies(model, wrapper)
    model[2].weight.register_hook(lambda gradient: gradient * float("inf"))
    assert iterate(model, wrapper, x)
    torch.testing.assert_close(copies(model, wrapper), before, rtol=0, atol=0)
    norms = zip(*wrapper.guard.norms, strict=True)
    assert [name for name, norm in norms if not norm.isfinite()] == ["2.weight"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_norms_are_those_of_pytorch_in_any_layout(dtype):
    weights = [torch.zeros(3, 4, 2, 2), torch.zeros(5), torch.zeros(()), torch.zeros(6, 4)]
    weights = [nn.Parameter(weight.to(dtype)) for weight in weights]
    gradients = [torch.randn(weight.shape).mul(300).to(dtype) for weight in weights]
    gradients[0] = gradients[0].to(memory_format=torch.channels_last)
    gradients[3] = gradients[3].t().contiguous().t()
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    model = nn.ParameterList(weights)
    guard = FiniteGuard(model)
    guard.see(torch.zeros(()), accumulates=False)
    expected = torch.stack([each.double().norm() for each in gradients])
    torch.testing.assert_close(guard.norms.values.double(), expected, rtol=1e-6, atol=0)
    assert guard.norms.names == ["0", "1", "2", "3"]
    assert not guard.found


def test_a_bad_gradient_is_seen_in_its_own_iteration(model):
    wrapper, x = guarded(model, accumulative_counts=3), torch.randn(5, 3)
    assert iterate(model, wrapper, x, factor=float("nan"))


def test_a_bad_batch_spoils_all_that_it_accumulates_with(model):
    wrapper, x = guarded(model, accumulative_counts=2), torch.randn(5, 3)
    before = model[0].weight.clone()
    assert iterate(model, wrapper, x, add=float("inf"))
    assert wrapper.guard.is_first
    assert iterate(model, wrapper, x)  # the step is here
    assert not wrapper.guard.is_first  # this batch is not to blame
    assert torch.equal(model[0].weight, before)
    assert not iterate(model, wrapper, x)
    assert not iterate(model, wrapper, x)
    assert not torch.equal(model[0].weight, before)


def test_a_model_without_statistics_is_guarded_too():
    model = nn.Linear(3, 1)
    wrapper = guarded(model)
    before = model.weight.clone()
    assert iterate(model, wrapper, torch.full((2, 3), float("nan")))
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("fused", FUSED)
def test_a_guarded_step_is_the_plain_step(model, fused):
    other, x = copy.deepcopy(model), torch.randn(5, 3)
    wrapper, plain = guarded(model, fused=fused), guarded(other, fused=fused)
    plain.guard = None
    for _ in range(3):
        iterate(model, wrapper, x)
        plain.update_params(other(x).sum())
    torch.testing.assert_close(dict(model.state_dict()), dict(other.state_dict()), rtol=0, atol=0)


@needs_fused
def test_a_fused_step_that_the_device_leaves_out_changes_nothing(model):
    """What an accelerator does: nothing is read, the optimizer's kernel looks at `found_inf`."""
    wrapper, x = guarded(model, fused=True), torch.randn(5, 3)
    wrapper.guard.suppresses = lambda optimizer: _on_device(wrapper.guard, optimizer)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert iterate(model, wrapper, x, factor=float("nan"))
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    momenta = [s["momentum_buffer"] for s in wrapper.optimizer.state.values()]
    assert all(torch.equal(each, torch.zeros_like(each)) for each in momenta)


def _on_device(guard, optimizer):
    begin_momenta(optimizer)
    optimizer.found_inf = guard.found
    return False


@needs_fused
def test_momenta_of_zero_make_the_first_step(model):
    other, x = copy.deepcopy(model), torch.randn(5, 3)
    wrapper, plain = guarded(model, fused=True), guarded(other, fused=True)
    for each, net in ((wrapper, model), (plain, other)):
        net(x).sum().backward()
        if each is wrapper:
            begin_momenta(each.optimizer)
        each.optimizer.step()
    torch.testing.assert_close(copies(model, wrapper), copies(other, plain), rtol=0, atol=0)
