from contextlib import contextmanager

import pytest
import torch
from mmdet.models.task_modules import AnchorGenerator

from retina_plugin.anchors import AnchorGrid
from retina_plugin.compat.torch_features import triton_has_kernels_functions

STRIDES = (8, 16, 32, 64, 128)


@pytest.fixture
def make_grid():
    """Build the anchor grid over an image of a size in pixels."""
    return grid_over


@pytest.fixture
def make_boxes():
    """Draw boxes of a kind: (kind, count, height, width, generator) to (count, 4)."""
    return boxes_of


def grid_over(height, width, **changes):
    options = {"ratios": [0.5, 1.0, 2.0], "octave_base_scale": 4, "scales_per_octave": 3, **changes}
    generator = AnchorGenerator(strides=list(STRIDES), **options)
    maps = [torch.empty(1, 1, -(-height // s), -(-width // s)) for s in STRIDES]
    return AnchorGrid.over(generator, maps)


def boxes_of(kind, count, height, width, generator):
    def uniform(*shape):
        return torch.rand(*shape, generator=generator)

    def around(size):
        centre = uniform(count, 2) * torch.tensor([width, height])
        return torch.cat([centre - size / 2, centre + size / 2], dim=1)

    spread = torch.randn(count, 2, generator=generator)
    sizes = {
        "usual": torch.exp(spread * 0.8 + 4),
        "tiny": uniform(count, 2) * 8 + 0.01,
        "huge": uniform(count, 2) * 3000 + 600,
        "thin": torch.stack([uniform(count) * 4 + 0.1, uniform(count) * 500 + 100], dim=1),
    }
    whole = around((uniform(count, 2) * 200).ceil()).round()
    if kind in sizes:
        return around(sizes[kind])
    if kind == "whole":  # pixels, so that IoUs tie
        return whole
    if kind == "equal":
        return whole[:1].repeat(count, 1)
    if kind == "outside":
        steps = torch.randint(-2, 3, (count, 1), generator=generator)
        return around(sizes["usual"]) + torch.tensor([width, height, width, height]) * steps
    if kind == "broken":
        whole[0] = torch.nan
        whole[-1, 2:] = whole[-1, :2]
        return whole
    return torch.cat([around(size)[: count // 3 + 1] for size in sizes.values()] + [whole])


@pytest.fixture
def interpreted(monkeypatch):
    """Triton's interpreter, which runs kernels on the CPU."""
    pytest.importorskip("triton")
    if not triton_has_kernels_functions():
        pytest.skip("this Triton lacks functions that the kernels call")
    monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.fixture
def launches(monkeypatch):
    """Stand in for a module's kernels; gives a list that tells of each launch whether it was on
    the device of its first tensor.
    """
    current, launched = [], []

    @contextmanager
    def device_of(tensor):
        current.append(tensor)
        yield
        current.pop()

    class Kernel:
        def __getitem__(self, _):
            return lambda first, *_, **__: launched.append(current[-1] is first)

    def stand_in(module, *kernels):
        monkeypatch.setattr(torch.cuda, "device_of", device_of)
        for kernel in kernels:
            monkeypatch.setattr(module, kernel, Kernel())
        return launched

    return stand_in
