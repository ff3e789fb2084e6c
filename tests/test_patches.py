"""The box subnet on tiles gives the deltas and gradients of the whole map."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn

from retina_plugin import patches
from retina_plugin.patches import Places, can_run_on_tiles, deltas_at

SIZES = [(37, 50), (19, 25), (10, 13), (1, 1)]
ANCHORS, DELTAS = 3, 4


@pytest.fixture
def subnet():
    """Two convolutions and an output, in float64."""
    torch.manual_seed(0)
    convs = nn.ModuleList(ConvModule(4, 4, 3, padding=1) for _ in range(2)).double()
    return convs, nn.Conv2d(4, ANCHORS * DELTAS, 3, padding=1).double()


def levels(dtype=torch.float64):
    return [torch.randn(2, 4, *size, dtype=dtype).requires_grad_() for size in SIZES]


def places(counts):
    """Random ones, and the four corners of every map."""
    found = []
    for count, (height, width) in zip(counts, SIZES, strict=True):
        corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)][: count and 4]
        cells = torch.tensor(corners + [
            (int(torch.randint(height, ())), int(torch.randint(width, ()))) for _ in range(count)
        ], dtype=torch.long).view(-1, 2)  # fmt: skip
        some = len(cells)
        found.append(
            Places(
                torch.randint(2, (some,)), cells[:, 0], cells[:, 1], torch.randint(ANCHORS, (some,))
            )
        )
    return found


def dense(convs, output, maps, wanted):
    """Picked out of the whole maps."""
    found = []
    for feature, where in zip(maps, wanted, strict=True):
        for conv in convs:
            feature = conv(feature)
        deltas = output(feature).unflatten(1, (ANCHORS, DELTAS))
        found.append(deltas[where.image, where.shape, :, where.row, where.column])
    return torch.cat(found)


def results(function, subnet, maps, wanted, *more):
    convs, output = subnet
    found = function(convs, output, maps, wanted, *more)
    slope = torch.linspace(-1, 2, found.numel(), dtype=found.dtype).view_as(found)
    parameters = [*convs.parameters(), *output.parameters()]
    gradients = torch.autograd.grad(found, [*maps, *parameters], slope, allow_unused=True)
    sources = [*maps, *parameters]
    return found, [
        torch.zeros_like(s) if g is None else g for s, g in zip(sources, gradients, strict=True)
    ]


@pytest.mark.parametrize("counts", [(3, 2, 1, 0), (40, 0, 5, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("worth", [0.0, 100.0], ids=["whole maps", "tiles"])
def test_deltas_and_gradients_are_those_of_whole_maps(subnet, counts, worth, monkeypatch):
    monkeypatch.setattr(patches, "WORTH", worth)
    maps, wanted = levels(), places(counts)
    got, gradients = results(deltas_at, subnet, maps, wanted, DELTAS)
    expected, expected_gradients = results(dense, subnet, maps, wanted)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(gradients, expected_gradients)


def test_no_place_at_all_leaves_a_gradient_of_zero(subnet):
    """So that every process of several has one."""
    found = deltas_at(*subnet, levels(), places((0, 0, 0, 0)), DELTAS)
    assert found.shape == (0, DELTAS)
    found.sum().backward()
    assert all((p.grad == 0).all() for part in subnet for p in part.parameters())


def test_few_tiles_are_cut_out_and_many_are_not(monkeypatch, subnet):
    cut = []
    on_tiles = patches._on_tiles
    monkeypatch.setattr(
        patches, "_on_tiles", lambda *a: cut.append(len(a[2].image)) or on_tiles(*a)
    )
    deltas_at(*subnet, levels(), places((1, 0, 0, 0)), DELTAS)
    assert len(cut) == 1
    assert cut[0] <= 5
    cut.clear()
    deltas_at(*subnet, levels(), places((300, 0, 0, 0)), DELTAS)
    assert not cut


def test_autocast_gives_bfloat16_as_near_to_the_truth_as_whole_maps(subnet, monkeypatch):
    monkeypatch.setattr(patches, "WORTH", 100.0)
    maps, wanted = levels(), places((3, 2, 1, 0))
    exact, _ = results(dense, subnet, maps, wanted)
    single = [part.float() for part in copy.deepcopy(subnet)]
    maps = [m.detach().float() for m in maps]
    with torch.autocast("cpu", torch.bfloat16):
        found = deltas_at(*single, maps, wanted, DELTAS)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, rtol=0.05, atol=0.02)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda convs, output: convs.append(ConvModule(4, 4, 3, padding=1, norm_cfg={"type": "BN"})),
        lambda convs, output: convs.append(ConvModule(4, 4, 5, padding=2)),
        lambda convs, output: convs.append(ConvModule(4, 4, 3, padding=2, dilation=2)),
        lambda convs, output: output.register_forward_hook(lambda *_: None),
        lambda convs, output: setattr(output, "forward", output.forward),
        lambda convs, output: setattr(convs[0], "forward", convs[0].forward),
    ],
    ids=["norm", "5x5", "dilated", "hook", "own pass", "own pass within"],
)
def test_other_subnets_run_on_whole_maps(subnet, spoil):
    assert can_run_on_tiles(*subnet)
    spoil(*subnet)
    assert not can_run_on_tiles(*subnet)
