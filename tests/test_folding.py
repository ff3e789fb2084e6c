"""A folded backbone computes what it did, with less in between."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn.utils import fuse_conv_bn
from mmdet.registry import MODELS
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import prune
from torch.utils._python_dispatch import TorchDispatchMode

from retina_plugin import processor
from retina_plugin.folding import (
    FoldedPass,
    fold,
    fold_if_possible,
    folded_convolution,
    folded_weights,
)

BACKBONES = [
    {"type": "ResNet", "depth": 18, "base_channels": 8},
    {"type": "ResNet", "depth": 50, "base_channels": 8, "style": "caffe"},
    {"type": "ResNeXt", "depth": 50, "base_channels": 8, "groups": 2, "base_width": 8},
    {"type": "ResNetV1d", "depth": 50, "base_channels": 8},
    {"type": "RegNet", "arch": "regnetx_400mf"},
]


def backbone(cfg, **options):
    """With running statistics and scales as after some training."""
    norm = {"type": "BN", "requires_grad": True}
    model = MODELS.build({"type": "ResNet", **cfg, "norm_cfg": norm, **options})
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, 0, 0.1)
    return model


def run(model, x):
    model.zero_grad()
    outs = model(x)
    sum((out * out.detach().cos()).sum() for out in outs).backward()
    return outs, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("cfg", BACKBONES, ids=lambda c: f"{c['type']}{c.get('depth', '')}")
def test_outputs_and_gradients_stay(cfg):
    plain = backbone(cfg, norm_eval=True).double()
    plain.train()
    folded = copy.deepcopy(plain)
    fold(folded)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    (expected, expected_grads), (got, grads) = run(plain, x), run(folded, x)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(grads, expected_grads)


@pytest.mark.parametrize(("depth", "joined"), [(18, 1 + 8 + 8), (50, 1 + 16 * 3)])
def test_every_relu_of_a_resnet_joins_a_convolution(depth, joined):
    model = backbone({"depth": depth, "base_channels": 8})
    fold(model)
    nodes = list(model.forward.__self__.traced.graph.nodes)
    calls = [n for n in nodes if n.target is folded_convolution]
    assert sum(len(n.args) == 5 and n.args[4] for n in calls) == joined
    names = {type(model.get_submodule(n.target)) for n in nodes if n.op == "call_module"}
    assert names == {nn.MaxPool2d}


def test_what_something_else_reads_stays_a_node():
    """Here the convolution's own output leaves the network as well."""

    class Tapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.relu = nn.ReLU()

        def forward(self, x):
            out = self.norm(self.conv(x))
            return self.relu(out), out

    model = Tapped().eval()
    x = torch.randn(1, 3, 8, 8)
    expected = model(x)
    fold(model)
    torch.testing.assert_close(model(x), expected)


def changed(model, how):
    """A part of the backbone that is listened to, replaced, or has a pass of its own."""
    seen = []
    if how == "hook":
        model.layer1.register_forward_hook(lambda *_: seen.append(how))
    elif how == "pass":
        own = model.layer1.forward
        model.layer1.forward = lambda x: seen.append(how) or own(x)
    elif how == "fused":
        fuse_conv_bn(model)
    elif how == "another kind":

        class Twice(nn.Conv2d):
            def forward(self, x):
                seen.append(how)
                return 2 * super().forward(x)

        twice = Twice(8, 8, 3, padding=1, bias=False)
        twice.load_state_dict(model.layer1[0].conv1.state_dict())
        model.layer1[0].conv1 = twice
    else:
        prune.l1_unstructured(model.layer1[0].conv1, "weight", 0.5)
    return seen


@pytest.mark.parametrize("how", ["hook", "pass", "fused", "another kind", "pruned"])
def test_what_is_done_to_a_part_afterwards_counts(how, logged):
    plain = backbone({"depth": 18, "base_channels": 8})
    plain.eval()
    folded = copy.deepcopy(plain)
    fold(folded)
    before, seen = changed(plain, how), changed(folded, how)
    for model in (plain, folded):
        model.eval()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(folded(x), plain(x), rtol=1e-4, atol=1e-4)
    assert seen == before
    assert bool(seen) == (how in ("hook", "pass", "another kind"))


def test_a_part_of_the_same_kind_is_computed_with():
    plain = backbone({"depth": 18, "base_channels": 8})
    plain.eval()
    folded = copy.deepcopy(plain)
    fold(folded)
    conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    plain.layer2[0].conv1, folded.layer2[0].conv1 = plain.layer2[0].conv1, folded.layer2[0].conv1
    plain.layer1[0].conv1 = folded.layer1[0].conv1 = conv
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(folded(x), plain(x), rtol=1e-4, atol=1e-4)


def test_norm_without_statistics_is_that_of_the_batch():
    norm = {"type": "BN", "requires_grad": True, "track_running_stats": False}
    plain = MODELS.build({"type": "ResNet", "depth": 18, "base_channels": 8, "norm_cfg": norm})
    plain.eval()
    folded = copy.deepcopy(plain)
    fold(folded)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(folded(x), plain(x), rtol=1e-4, atol=1e-4)


def test_a_folded_backbone_is_saved_whole(tmp_path):
    """It is folded again where it is used."""
    model = backbone({"depth": 18, "base_channels": 8})
    model.eval()
    fold(model)
    x = torch.randn(2, 3, 64, 64)
    expected = model(x)
    torch.save(model, tmp_path / "whole.pth")
    loaded = torch.load(tmp_path / "whole.pth", weights_only=False)
    for _ in range(2):
        torch.testing.assert_close(loaded(x), expected)
    assert loaded.forward.__self__.traced is not None
    assert loaded.forward.__self__.backbone is loaded


class Own(nn.Module):
    """A backbone of one's own: a convolution, batch norm, and what `more` does after them."""

    def __init__(self, more):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.register_buffer("shift", torch.ones(1))
        self.more = more

    def forward(self, x):
        return self.more(self, self.body(x))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (lambda own, x: F.dropout(x, training=own.training), "asks whether it is training"),
        (lambda own, x: x + 1 if own.training else x, "asks whether it is training"),
        (lambda own, x: x + own.shift, "reads the tensor shift itself"),
        (lambda own, x: x + 1 if x.sum() > 0 else x, "symbolically traced variables"),
    ],
    ids=["dropout", "branch", "buffer", "condition"],
)
def test_what_a_trace_would_hold_as_it_was_is_not_folded(more, reason, logged):
    folded = Own(more)
    folded.body.eval()
    plain = copy.deepcopy(folded)
    fold_if_possible(folded)
    assert (folded.training, folded.body[1].training) == (True, False)
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    for model in (plain, folded):
        model.eval().double()
        model.load_state_dict({**model.state_dict(), "shift": torch.full((1,), 5.0)})
    assert torch.equal(folded(x), plain(x))
    assert "Own cannot be folded" in logged.text
    assert reason in logged.text


def test_a_folded_copy_that_was_changed_since_keeps_its_layers(logged):
    """A copy is folded where it is used; a hook must not become a part of its trace."""
    model = Own(lambda own, x: x)
    model.eval()
    fold(model)
    x = torch.randn(1, 3, 8, 8)
    expected = model(x)
    for hook in (lambda *call: call[2] + 1, lambda *call: call[2] + len(call[2])):
        copied = copy.deepcopy(model)
        handle = copied.body.register_forward_hook(hook)
        torch.testing.assert_close(copied(x), expected + 1)
        handle.remove()
        torch.testing.assert_close(copied(x), expected)
    assert "a part of it has a hook" in logged.text


def test_a_copy_that_is_first_used_under_hooks_of_all_modules_is_folded_later(logged):
    model = Own(lambda own, x: x)
    model.eval()
    fold(model)
    copied, x, heard = copy.deepcopy(model), torch.randn(1, 3, 8, 8), []
    handle = register_module_forward_hook(lambda module, *_: heard.append(module))
    torch.testing.assert_close(copied(x), model(x))
    handle.remove()
    assert copied.body in heard
    assert "folded" not in logged.text
    torch.testing.assert_close(copied(x), model(x))
    assert isinstance(copied.forward.__self__, FoldedPass)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_folded_weights_are_convolution_and_norm(affine, bias):
    conv = nn.Conv2d(3, 4, 3, bias=bias).double()
    norm = nn.BatchNorm2d(4, affine=affine).double().eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    weight, shift = folded_weights(norm, conv)
    torch.testing.assert_close(nn.functional.conv2d(x, weight, shift), norm(conv(x)))


def training_pair(dtype):
    """A backbone whose batch norm trains, of 8 channels and channels last, and it folded."""
    plain = backbone({"depth": 18, "base_channels": 8}, norm_eval=False, frozen_stages=-1)
    plain.to(dtype, memory_format=torch.channels_last).train()
    folded = copy.deepcopy(plain)
    fold(folded)
    return plain, folded


def test_norm_that_trains_learns_its_statistics():
    plain, folded = training_pair(torch.float32)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(folded(x), plain(x))
    torch.testing.assert_close(dict(folded.named_buffers()), dict(plain.named_buffers()))


def test_norm_that_trains_leaves_the_gradients():
    plain, folded = training_pair(torch.float64)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    (expected, expected_grads), (got, grads) = run(plain, x), run(folded, x)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(grads, expected_grads)


def test_a_strided_1x1_convolution_before_a_norm_that_trains_has_float64s_gradients():
    conv, norm = nn.Conv2d(8, 16, 1, stride=2, bias=False), nn.BatchNorm2d(16)
    exact = nn.Sequential(conv, norm)
    conv, norm = copy.deepcopy(exact)
    exact.double()
    x = torch.randn(1, 8, 16, 16).to(memory_format=torch.channels_last).requires_grad_()
    z = x.detach().double().requires_grad_()
    (folded_convolution(norm, conv, x) ** 3).sum().backward()
    (exact(z) ** 3).sum().backward()
    close = partial(torch.testing.assert_close, check_dtype=False, rtol=1e-4, atol=1e-3)
    close(x.grad, z.grad)
    close(conv.weight.grad, exact[0].weight.grad)
    close(norm.weight.grad, exact[1].weight.grad)


class Convolutions(TorchDispatchMode):
    """Shapes of the weights whose gradients PyTorch's own convolution computes."""

    def __init__(self):
        super().__init__()
        self.shapes = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.convolution_backward.default:
            self.shapes.add(tuple(args[2].shape[2:]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("autocast", [False, True])
def test_no_strided_1x1_gradient_is_left_to_onednn_which_corrupts_memory(autocast):
    """With few channels; uxlfoundation/oneDNN, issue 6035."""
    _, folded = training_pair(torch.float32)
    x = torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last)
    with Convolutions() as seen, torch.autocast("cpu", enabled=autocast):
        run(folded, x)
    by_pytorch = autocast and not processor.onednn_computes_in(torch.bfloat16)
    assert seen.shapes == {(3, 3), (7, 7)} | ({(1, 1)} if by_pytorch else set())
