"""Winograd's convolution equals float64's, with gradients, for any map and padding."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from retina_plugin.kernels import convolution, winograd
from retina_plugin.kernels.convolution import Geometry, convolve, convolve_levels
from retina_plugin.kernels.fallback import NotAvailable
from retina_plugin.kernels.winograd import (
    gradient_of_maps,
    gradient_of_weight,
    is_faster,
    transformed,
)

SIZES = [(1, 1), (1, 9), (3, 2), (4, 4), (5, 8), (13, 11)]  # below, at and above whole tiles
PADDINGS = [(1, 1), (0, 0), (2, 2), (0, 2)]
# The error of a sum of C products in float32, for C up to 64, is below this share of its norm;
# the transforms add some 3e-7 to it.
CLOSE = 3e-6


def channels_last(*shape):
    return torch.randn(shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last)


def case(size, inner=16, outer=24, images=2):
    """Map, weight and bias in float64."""
    return (
        channels_last(images, inner, *size),
        channels_last(outer, inner, 3, 3),
        torch.randn(outer),
    )


def distance(found, exact):
    assert found.shape == exact.shape
    return ((found.double() - exact).norm() / exact.norm().clamp(min=1e-12)).item()


def fits(size, padding):
    return all(length + 2 * pad >= 3 for length, pad in zip(size, padding, strict=True))


CASES = [pair for pair in itertools.product(SIZES, PADDINGS) if fits(*pair)]


@pytest.mark.parametrize(("size", "padding"), CASES)
@pytest.mark.parametrize("channels", [(16, 24), (3, 5), (33, 1)], ids=str)
def test_output_equals_float64(size, padding, channels):
    x, weight, bias = case(size, *channels)
    (out,) = winograd.convolution([x.float()], weight.float(), bias, padding)
    assert distance(out, F.conv2d(x, weight, bias.double(), padding=padding)) < CLOSE
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("size", "padding"), CASES)
def test_gradients_equal_float64(size, padding):
    x, weight, _ = case(size)
    x.requires_grad_(), weight.requires_grad_()
    out = F.conv2d(x, weight, padding=padding)
    outer = channels_last(*out.shape)
    expected = torch.autograd.grad(out, (x, weight), outer)
    single = [t.detach().float() for t in (outer, x, weight)]
    (of_map,) = gradient_of_maps([single[0]], single[2], padding)
    of_weight = gradient_of_weight([single[0]], [single[1]], padding)
    assert distance(of_map, expected[0]) < CLOSE
    assert distance(of_weight, expected[1]) < CLOSE
    assert of_weight.is_contiguous(memory_format=torch.channels_last)


def test_bias_residual_and_relu_join():
    x, weight, bias = case((9, 10))
    residual = channels_last(2, 24, 9, 10)
    exact = (F.conv2d(x, weight, bias.double(), padding=1) + residual).relu()
    (out,) = winograd.convolution(
        [x.float()], weight.float(), bias, (1, 1), [residual.float()], relu=True
    )
    assert distance(out, exact) < CLOSE
    assert ((out == 0) == (exact == 0)).all()


def test_levels_share_their_weights_and_add_up_its_gradient():
    levels = [channels_last(2, 16, *size).requires_grad_() for size in ((12, 9), (6, 5), (1, 1))]
    weight = channels_last(24, 16, 3, 3).requires_grad_()
    outs = [F.conv2d(x, weight, padding=1) for x in levels]
    outers = [channels_last(*out.shape) for out in outs]
    *of_levels, of_weight = torch.autograd.grad(outs, (*levels, weight), outers)
    single, slopes = ([t.detach().float() for t in many] for many in (levels, outers))
    kernel = weight.detach().float()
    found = winograd.convolution(single, kernel, None, (1, 1))
    assert all(distance(*pair) < CLOSE for pair in zip(found, outs, strict=True))
    found = gradient_of_maps(slopes, kernel, (1, 1))
    assert all(distance(*pair) < CLOSE for pair in zip(found, of_levels, strict=True))
    assert distance(gradient_of_weight(slopes, single, (1, 1)), of_weight) < CLOSE


@pytest.mark.parametrize("room", [1, 7, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_portions_and_threads_do_not_show(room, threads, monkeypatch):
    x, weight, bias = case((13, 11))
    x, weight = x.float(), weight.float()
    outer = torch.randn(2, 24, 13, 11)

    def results():
        (out,) = winograd.convolution([x], weight, bias, (1, 1))
        return (
            out,
            *gradient_of_maps([outer], weight, (1, 1)),
            gradient_of_weight([outer], [x], (1, 1)),
        )

    expected = results()
    monkeypatch.setattr(winograd, "SCRATCH", room * 36 * 4 * (16 + 24))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for found, other in zip(results(), expected, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("layout", ["usual", "part of a larger map", "turned"])
def test_any_layout_of_the_memory_is_read_right(layout):
    x, weight, bias = (t.float() for t in case((8, 7)))
    expected = F.conv2d(x, weight, bias, padding=1)
    given = {
        "usual": x.contiguous(),
        "part of a larger map": F.pad(x, (1, 2, 3, 4))[:, :, 3:-4, 1:-2],
        "turned": x.transpose(2, 3).contiguous().transpose(2, 3),
    }[layout]
    (out,) = winograd.convolution([given], weight.contiguous(), bias, (1, 1))
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("relu", [True, False])
def test_what_is_not_finite_stays_so_where_it_is_seen(value, relu):
    """A NaN in the input must not be hidden from the checks of losses and gradients."""
    x, weight, _ = (t.float() for t in case((8, 8)))
    x[0, 3, 2, 5] = value
    (out,) = winograd.convolution([x], weight, None, (1, 1), relu=relu)
    direct = convolution.plain(x, weight, None, Geometry(padding=(1, 1)), relu=relu)
    assert not out[~direct.isfinite()].isfinite().any() or value == torch.inf
    assert not out.isfinite().all()
    assert out[1].isfinite().all()


def test_no_image_gives_no_output():
    x, weight, bias = (t.float() for t in case((8, 8), images=0))
    assert winograd.convolution([x], weight, bias, (1, 1))[0].shape == (0, 24, 8, 8)


def test_transformed_weights_are_values_at_the_points():
    """A kernel that is 1 in its middle is a shift: at point p it has the value p / product."""
    weight = torch.zeros(1, 1, 3, 3)
    weight[..., 1, 1] = 1
    values = transformed(weight).view(6, 6)
    p = torch.tensor(winograd.POINTS)
    products = torch.stack([(q - torch.cat([p[:i], p[i + 1 :]])).prod() for i, q in enumerate(p)])
    line = torch.cat([p / products, torch.zeros(1)])  # at infinity: the last tap
    torch.testing.assert_close(values, line[:, None] * line)


@pytest.fixture
def by_tiles(monkeypatch):
    """It is wanted; numbers of maps that were convolved so."""
    seen = []
    run = winograd.convolution
    monkeypatch.setattr(
        winograd, "convolution", lambda maps, *a: seen.append(len(maps)) or run(maps, *a)
    )
    return seen


@pytest.fixture(autouse=True)
def is_wanted():
    with winograd.wanted(True):
        yield


def test_it_is_taken_only_where_it_is_wanted(by_tiles):
    """Our head in MMDetection's own detector rounds as MMDetection's does."""
    with winograd.wanted(False):
        convolve(*wide_case(), WIDE)
    assert not by_tiles
    convolve(*wide_case(), WIDE)
    assert by_tiles == [1]


WIDE = Geometry(padding=(1, 1))


def wide_case(dtype=torch.float32):
    x = torch.randn(1, 64, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return (
        x.requires_grad_(),
        weight.requires_grad_(),
        torch.randn(64, dtype=dtype).requires_grad_(),
    )


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("with_sum", [True, False])
def test_wide_maps_take_it_and_equal_float64(relu, with_sum, by_tiles):
    single = wide_case()
    exact = [t.detach().double().requires_grad_() for t in single]
    residual = torch.randn(1, 64, 32, 32, dtype=torch.float64) if with_sum else None
    outer = torch.randn(1, 64, 32, 32)
    expected = convolution.plain(*exact, WIDE, residual, relu)
    out = convolve(*single, WIDE, None if residual is None else residual.float(), relu)
    assert by_tiles == [1]
    assert distance(out, expected) < CLOSE
    # Where an output lies within rounding of 0, the two may differ in whether the ReLU lets it by.
    outer[(expected.abs() < 1e-4) & (expected != 0)] = 0
    found = torch.autograd.grad(out, single, outer)
    for one, other in zip(found, torch.autograd.grad(expected, exact, outer.double()), strict=True):
        assert distance(one, other) < CLOSE


def test_levels_go_together(by_tiles):
    x, weight, bias = wide_case()
    outs = convolve_levels([x, x[:, :, ::2, ::2]], weight, bias, WIDE)
    assert by_tiles == [2]
    torch.testing.assert_close(
        outs[1], F.conv2d(x[:, :, ::2, ::2], weight, bias, padding=1), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize(
    ("shape", "kernel", "geometry"),
    [
        ((1, 8, 32, 32), (8, 8, 3, 3), WIDE),  # few channels: the transforms outweigh the products
        ((1, 64, 4, 4), (64, 64, 3, 3), WIDE),  # few cells: the weights' transform does
        ((1, 64, 32, 32), (64, 64, 1, 1), Geometry()),
        ((1, 64, 32, 32), (64, 64, 3, 3), Geometry(stride=(2, 2), padding=(1, 1))),
        ((1, 64, 32, 32), (64, 64, 3, 3), Geometry(padding=(2, 2), dilation=(2, 2))),
        ((1, 64, 32, 32), (64, 64, 3, 3), Geometry(padding=(3, 3))),
        ((1, 64, 32, 32), (64, 32, 3, 3), Geometry(padding=(1, 1), groups=2)),
    ],
    ids=str,
)
def test_others_are_multiplied_directly(shape, kernel, geometry, by_tiles):
    x, weight = torch.randn(shape), torch.randn(kernel)
    out = convolve(x, weight, None, geometry)
    assert not by_tiles
    torch.testing.assert_close(out, F.conv2d(x, weight, None, *geometry))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_multiplied_directly(dtype, by_tiles):
    assert not is_faster(
        [torch.zeros(1, 64, 32, 32, dtype=dtype)], torch.zeros(64, 64, 3, 3), (1, 1)
    )
    with torch.no_grad():
        convolve(*wide_case(dtype), WIDE)
    assert not by_tiles


def test_without_a_compiler_it_is_multiplied_directly(monkeypatch, by_tiles, logged):
    def missing(name):
        raise NotAvailable("no C compiler was found")

    winograd.warn_once.cache_clear()
    monkeypatch.setattr(winograd, "library", missing)
    x, weight, bias = wide_case()
    for _ in range(2):
        torch.testing.assert_close(
            convolve(x, weight, bias, WIDE), F.conv2d(x, weight, bias, padding=1)
        )
    assert not by_tiles
    assert logged.text.count("multiplied directly: no C compiler was found") == 1
    winograd.warn_once.cache_clear()
