"""The joined convolution equals convolution, sum and ReLU one after the other."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from retina_plugin.errors import UserError
from retina_plugin.kernels import convolution
from retina_plugin.kernels.convolution import Geometry, autocast, convolve, flop_formulas, plain

SHAPES = [
    {"kernel_size": 1},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 1, "stride": (2, 3)},
    {"kernel_size": 1, "padding": 1},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 2, "stride": 2, "dilation": 2},
    {"kernel_size": 3, "padding": 1, "groups": 4},
    {"kernel_size": (1, 3), "padding": (0, 1), "bias": False},
]


def case(shape, dtype=torch.float64):
    """A convolution, an input with gradient, and something of the output's shape."""
    conv = nn.Conv2d(8, 12, **shape).to(dtype)
    x = torch.randn(2, 8, 7, 9, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return conv, x.requires_grad_(), torch.randn_like(conv(x)).requires_grad_()


def results(function, conv, x, residual, relu):
    """Output and the gradients of input, weight, bias, residual."""
    out = function(x, conv.weight, conv.bias, Geometry.of(conv), residual, relu)
    slope = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).to(out.dtype).view_as(out)
    sources = [t for t in (x, conv.weight, conv.bias, residual) if t is not None]
    return out.detach(), *torch.autograd.grad(out, sources, slope)


@pytest.fixture
def ran(monkeypatch):
    """Whether the joined form ran."""
    calls = []
    forward = convolution._forward
    monkeypatch.setattr(convolution, "_forward", lambda *a: calls.append(a[0].dtype) or forward(*a))
    return calls


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("with_sum", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_and_gradients_equal_float64(shape, with_sum, relu, ran):
    conv, x, residual = case(shape)
    residual = residual if with_sum else None
    expected = results(plain, conv, x, residual, relu)
    single = [None if t is None else t.detach().float().requires_grad_() for t in (x, residual)]
    got = results(convolve, conv.float(), *single, relu)
    assert ran == [torch.float32]
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_is_as_exact_as_the_plain_form(shape, ran, bfloat16_kernels):
    """Both against float64 with the same rounded input."""
    conv, x, residual = case(shape, torch.bfloat16)
    got = results(convolve, conv, x, residual, True)
    one_by_one = results(plain, conv, x, residual, True)
    wide = [t.detach().double().requires_grad_() for t in (x, residual)]
    exact = results(plain, conv.double(), *wide, True)
    assert ran == [torch.bfloat16] * bfloat16_kernels
    for ours, theirs, truth in zip(got, one_by_one, exact, strict=True):
        distances = [(t.double() - truth).norm() / truth.norm() for t in (ours, theirs)]
        assert distances[0] <= 1.1 * distances[1] + 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", ["x", "weight", "bias", "residual"])
@pytest.mark.parametrize("shape", [{"kernel_size": 1}, {"kernel_size": 3, "padding": 1}], ids=str)
def test_what_is_not_finite_is_so_where_the_plain_form_has_it(
    shape, place, value, dtype, bfloat16_kernels
):
    conv, x, residual = case(shape, dtype)
    with torch.no_grad():
        broken = {"x": x, "weight": conv.weight, "bias": conv.bias, "residual": residual}[place]
        broken[(0,) * broken.dim()] = value
        for added in (residual, None):
            given = x, conv.weight, conv.bias, Geometry.of(conv), added, True
            found, expected = convolve(*given), plain(*given)
            assert torch.equal(found.isfinite(), expected.isfinite())
            assert torch.equal(found.isnan(), expected.isnan())


def test_a_second_derivative_is_refused_with_what_has_one():
    conv, x, _ = case({"kernel_size": 1}, torch.float32)
    out = convolve(x, conv.weight, conv.bias, Geometry.of(conv), relu=True).sum()
    with pytest.raises(UserError, match=r"no second derivative.*set fast=False"):
        torch.autograd.grad(out, x, create_graph=True)


def test_only_wanted_gradients_are_computed():
    conv, x, _ = case({"kernel_size": 1})
    conv, x = conv.float().requires_grad_(False), x.detach().float().requires_grad_()
    convolve(x, conv.weight, conv.bias, Geometry.of(conv), relu=True).sum().backward()
    assert x.grad is not None
    assert conv.weight.grad is None
    assert conv.bias.grad is None


@pytest.mark.parametrize(
    "spoil",
    [lambda conv, x: (conv.double(), x.double()), lambda conv, x: (conv, x[:0])],
    ids=["float64", "no image"],
)
def test_what_onednn_does_not_do_is_computed_plainly(spoil, ran):
    conv, x = spoil(nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 6, 6))
    torch.testing.assert_close(
        convolve(x, conv.weight, conv.bias, Geometry.of(conv), relu=True), conv(x).relu()
    )
    assert not ran


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv1d(3, 4, 3),
    ],
    ids=["same", "reflect", "one dimension"],
)
def test_modules_that_step_otherwise_have_no_geometry(conv):
    assert Geometry.of(conv) is None


def test_without_onednn_it_is_computed_plainly(ran, monkeypatch):
    conv, x, _ = case({"kernel_size": 3}, torch.float32)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    torch.testing.assert_close(convolve(x, conv.weight, conv.bias, Geometry.of(conv)), conv(x))
    assert not ran


def test_autocast_casts_what_it_would():
    weight, bias = torch.ones(2), None
    assert autocast(weight, bias) == (weight, None)
    with torch.autocast("cpu", torch.bfloat16):
        cast, none = autocast(weight, bias)
    assert cast.dtype == torch.bfloat16
    assert none is None


def test_gradients_under_autocast_are_float32(ran, bfloat16_kernels):
    conv, x, residual = case({"kernel_size": 3, "padding": 1}, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        out = convolve(x, conv.weight, conv.bias, Geometry.of(conv), residual, relu=True)
    out.float().sum().backward()
    assert ran == [torch.bfloat16] * bfloat16_kernels
    assert {t.grad.dtype for t in (x, conv.weight, conv.bias, residual)} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_usual_layout_takes_the_sum_and_the_relu_too(dtype):
    """oneDNN joins them in bfloat16 only where something is channels last."""
    conv = torch.nn.Conv2d(3, 4, 3, padding=1).to(dtype)
    x, residual = torch.randn(2, 3, 5, 5, dtype=dtype), torch.randn(2, 4, 5, 5, dtype=dtype)
    out = convolve(x, conv.weight, conv.bias, Geometry.of(conv), residual, relu=True)
    expected = plain(x, conv.weight, conv.bias, Geometry.of(conv), residual, relu=True)
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("residual", [False, True])
def test_pytorchs_counter_knows_the_joined_operations(residual):
    x = torch.rand(2, 4, 6, 5).to(memory_format=torch.channels_last)
    weight = torch.rand(8, 4, 3, 3).to(memory_format=torch.channels_last)
    shared = torch.rand(2, 8, 4, 3).to(memory_format=torch.channels_last) if residual else None
    with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter, torch.no_grad():
        convolve(x, weight, torch.rand(8), Geometry(), shared, relu=True)
    assert counter.get_total_flops() == 2 * (2 * 8 * 4 * 3) * (4 * 3 * 3)
