"""The feature pyramid, against MMDetection's and the paper."""

import pytest
import torch
from mmdet.models.necks import FPN

from retina_plugin import RetinaFPN
from retina_plugin.kernels import winograd

CHANNELS = [8, 16, 24, 32]


def features():
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(1, c, 64 // 2**i, 64 // 2**i, generator=generator)
        for i, c in enumerate(CHANNELS)
    )


def paired(**options):
    """Our neck and MMDetection's with the same weights."""
    torch.manual_seed(0)
    ours = RetinaFPN(CHANNELS, 8, **options)
    options = {"add_extra_convs": "on_input", "relu_before_extra_convs": True, **options}
    stock = FPN(CHANNELS, 8, 5, start_level=1, **options)
    stock.load_state_dict(ours.state_dict(), strict=True)
    return ours, stock


def test_builds_p3_to_p7_and_no_p2():
    sizes = [tuple(level.shape) for level in RetinaFPN(CHANNELS, 8)(features())]
    assert sizes == [(1, 8, s, s) for s in (32, 16, 8, 4, 2)]


def test_p6_is_a_strided_convolution_of_c5():
    p6 = RetinaFPN([256, 512, 1024, 2048]).fpn_convs[3].conv
    assert (p6.in_channels, p6.out_channels) == (2048, 256)
    assert (p6.kernel_size, p6.stride, p6.padding) == ((3, 3), (2, 2), (1, 1))


def test_p7_sees_no_negative_input():
    neck, seen = RetinaFPN(CHANNELS, 8), []
    neck.init_weights()
    neck.fpn_convs[4].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    p6 = neck(features())[3]
    assert (p6 < 0).any()
    assert torch.equal(seen[0], p6.relu())


@pytest.mark.parametrize("source", ["on_input", "on_output", "on_lateral", True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_equals_mmdetection_with_its_options(source, relu):
    ours, stock = paired(add_extra_convs=source, relu_before_extra_convs=relu)
    for got, expected in zip(ours(features()), stock(features()), strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("upsample", [{"mode": "bilinear"}, {"scale_factor": 2.0}])
def test_upsampling_is_an_option(upsample):
    ours, stock = paired(upsample_cfg=upsample)
    for got, expected in zip(ours(features()), stock(features()), strict=True):
        assert torch.equal(got, expected)


def test_winograds_algorithm_is_taken_where_it_is_wanted(monkeypatch):
    seen = []
    run = winograd.convolution
    monkeypatch.setattr(winograd, "convolution", lambda *a: seen.append(a[1].shape) or run(*a))
    neck = RetinaFPN(CHANNELS, 64)
    x = tuple(torch.randn(1, c, 256 // 2**i, 256 // 2**i) for i, c in enumerate(CHANNELS))
    expected = neck(x)
    assert not seen
    with winograd.wanted(True):
        torch.testing.assert_close(neck(x), expected, rtol=1e-4, atol=1e-4)
    assert set(seen) == {(64, 64, 3, 3)}


def test_last_three_of_the_backbone_are_used_whatever_else_it_returns():
    assert len(RetinaFPN(CHANNELS[1:], 8).lateral_convs) == 3
    assert RetinaFPN(CHANNELS, 8).start_level == 1
    assert RetinaFPN(CHANNELS, 8, start_level=0).start_level == 0


def test_initialisation_is_xavier_uniform_with_zero_biases():
    neck = RetinaFPN(CHANNELS, 64)
    neck.init_weights()
    weight = neck.fpn_convs[0].conv.weight
    bound = (6 / (9 * 64 + 9 * 64)) ** 0.5
    assert 0.95 * bound < weight.abs().max() <= bound
    assert all((p == 0).all() for name, p in neck.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"add_extra_convs": "on_c5"}, "add_extra_convs to be one of"),
        ({"start_level": 4}, "start_level=4"),
        ({"num_outs": 2}, "builds 3 levels.*num_outs=2"),
        ({"end_level": 2, "num_outs": 5}, "builds 2 levels"),
        ({"num_outs": "5"}, "num_outs to be a whole number, but got '5'"),
        ({"out_channels": 0}, "out_channels to be a whole number >= 1"),
        ({"in_channels": 512}, "in_channels to be a list, .* but got 512"),
        ({"in_channels": [8, None]}, "every one of in_channels .* but got None"),
    ],
)
def test_levels_that_do_not_fit_are_an_error(options, words):
    with pytest.raises(ValueError, match=words):
        RetinaFPN(**{"in_channels": CHANNELS, "out_channels": 8, **options})


@pytest.mark.parametrize("height", [1, 2, 3, 4, 8, 13])
def test_gradient_of_a_single_column_is_written_in_full(height):
    """Without the care for it oneDNN leaves old memory in the taps that only saw padding.

    The gradient in float32 is the reference.
    """
    torch.manual_seed(0)
    neck = RetinaFPN(CHANNELS, 16)
    maps = tuple(
        torch.randn(4, c, size * height, size)
        for c, size in zip(CHANNELS, (16, 8, 4, 2), strict=True)
    )
    neck(maps)[4].sum().backward()
    expected = neck.fpn_convs[4].conv.weight.grad.clone()
    for _ in range(5):
        neck.zero_grad()
        old = [torch.full((2304 * k,), torch.nan) for k in (1, 1, 1, 2, 2, 4)]
        with torch.autocast("cpu", torch.bfloat16):
            p7 = neck(maps)[4]
        del old
        p7.float().sum().backward()
        gradient = neck.fpn_convs[4].conv.weight.grad
        assert (gradient[..., 0] == 0).all()  # which saw padding alone
        assert (gradient[..., 2] == 0).all()
        assert ((gradient - expected).norm() / expected.norm()) < 0.02


@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.parametrize("kind", ["on_input", "on_output"])
def test_single_column_gives_mmdetections_output(kind, height):
    ours, stock = paired(add_extra_convs=kind)
    maps = tuple(
        torch.randn(1, c, size * height, size)
        for c, size in zip(CHANNELS, (8, 4, 2, 1), strict=True)
    )
    for got, expected in zip(ours(maps), stock(maps), strict=True):
        torch.testing.assert_close(got, expected)
