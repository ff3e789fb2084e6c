"""A subnet gives the same features joined and module by module."""

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn

from retina_plugin.kernels import convolution, winograd
from retina_plugin.subnet import is_joinable, run_subnet


def stack(channels=4, **options):
    return nn.ModuleList(ConvModule(channels, channels, 3, padding=1, **options) for _ in range(2))


@pytest.fixture
def levels():
    return [torch.randn(2, 4, size, size + 1) for size in (5, 3, 1)]


@pytest.mark.parametrize(
    "options",
    [{}, {"norm_cfg": {"type": "GN", "num_groups": 2}}, {"act_cfg": {"type": "SiLU"}}],
    ids=["relu", "group norm", "silu"],
)
def test_features_are_those_of_the_modules(options, levels):
    convs = stack(**options)
    expected = run_subnet(convs, levels, plain=True)
    torch.testing.assert_close(run_subnet(convs, levels, plain=False), expected)


def test_weights_are_cast_once_for_all_levels(levels, monkeypatch, bfloat16_kernels):
    """And their gradients are added up in the precision of the convolution, as autocast does."""
    seen = []
    name = "_forward" if bfloat16_kernels else "plain"
    run = getattr(convolution, name)
    monkeypatch.setattr(convolution, name, lambda *a: seen.append(a[1].data_ptr()) or run(*a))
    with torch.autocast("cpu", torch.bfloat16):
        features = run_subnet(stack(), levels, plain=False)
    assert len(seen) == 6
    assert len(set(seen)) == 2
    assert {f.dtype for f in features} == {torch.bfloat16}


def test_norm_after_a_convolution_leaves_winograds_algorithm_to_it(monkeypatch):
    seen = []
    run = winograd.convolution
    monkeypatch.setattr(winograd, "convolution", lambda *a: seen.append(len(a[0])) or run(*a))
    convs = stack(64, norm_cfg={"type": "GN", "num_groups": 8})
    wide = [torch.randn(1, 64, 40, 40), torch.randn(1, 64, 20, 20)]
    expected = run_subnet(convs, wide, plain=True)
    with winograd.wanted(True):
        found = run_subnet(convs, wide, plain=False)
    assert seen == [2, 2]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"norm_cfg": {"type": "BN"}},
        {"act_cfg": None},
        {"act_cfg": {"type": "SiLU"}},
        {"padding_mode": "reflect", "order": ("act", "conv", "norm")},
        {"with_spectral_norm": True},
    ],
    ids=str,
)
def test_other_modules_are_called_as_they_are(options):
    assert not any(is_joinable(module) for module in stack(**options))


def test_hooks_are_heard(levels):
    convs, heard = stack(), []
    convs[0].activate.register_forward_hook(lambda *call: heard.append(call[2].shape))
    run_subnet(convs, levels, plain=False)
    assert heard == [level.shape for level in levels]
    assert is_joinable(convs[1])


@pytest.mark.parametrize("part", ["", ".conv", ".activate"])
def test_a_forward_pass_of_ones_own_is_run(part, levels):
    """As activation checkpoints give one to a module."""
    convs, passed = stack(), []
    module = convs.get_submodule(f"0{part}")
    forward = module.forward
    module.forward = lambda x: passed.append(x.shape) or forward(x)
    expected = run_subnet(convs, levels, plain=True)
    passed.clear()
    torch.testing.assert_close(run_subnet(convs, levels, plain=False), expected)
    assert passed == [level.shape for level in levels]
    assert is_joinable(convs[1])
