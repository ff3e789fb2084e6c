from contextlib import contextmanager
from itertools import product

import pytest
import torch
from mmdet.models.task_modules import AnchorGenerator

from retina_plugin.anchors import AnchorGrid
from retina_plugin.compat.torch_features import triton_has_kernels_functions
from retina_plugin.matching import MatchRule

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


ANCHORS = ("grid", "moved", "shuffled", "filtered", "boxes", "empty", "broken", "overflowing")
BOXES = ("usual", "tiny", "huge", "whole", "thin", "equal", "outside", "broken", "mixed")
RULES = (
    MatchRule(),
    MatchRule(match_low_quality=False),
    MatchRule(neg_iou_thr=(0.1, 0.4)),
    MatchRule(gt_max_assign_all=False),
    MatchRule(min_pos_iou=0.3, gt_max_assign_all=False),
    MatchRule(pos_iou_thr=0.7, neg_iou_thr=0.3, ignore_iof_thr=0.5),
    MatchRule(ignore_iof_thr=0.3, ignore_wrt_candidates=False),
)


@pytest.fixture(params=ANCHORS)
def images(request):
    """Anchors, boxes, rule, regions and flags of 63 images; the anchors are of one kind."""
    return [image_of(request.param, *case) for case in enumerate(product(BOXES, RULES))]


def image_of(kind, seed, case):
    boxes, rule = case
    generator = torch.Generator().manual_seed(seed)
    height, width = ((64, 64), (100, 164), (40, 200))[seed % 3]
    anchors = anchors_of(kind, height, width, generator)
    count = int(torch.randint(1, 9, (), generator=generator))
    regions = boxes_of("usual", 2, height, width, generator)
    valid = torch.rand(len(anchors), generator=generator) > 0.3 if seed % 2 else None
    return anchors, boxes_of(boxes, count, height, width, generator), rule, regions, valid


@pytest.fixture
def make_anchors():
    """Draw flat anchors of a kind of `ANCHORS`: (kind, height, width, generator) to (R, 4)."""
    return anchors_of


def anchors_of(kind, height, width, generator):
    anchors = grid_over(height, width).flat().clone()
    count = len(anchors)
    if kind == "moved":
        anchors += torch.rand(count, 4, generator=generator) - 0.5
    if kind == "shuffled":
        anchors = anchors[torch.randperm(count, generator=generator)]
    if kind == "filtered":  # as allowed_border leaves them; no multiple of a block
        anchors = anchors[(anchors >= 0).all(-1) & (anchors[:, 2] < width)]
    if kind == "boxes":
        anchors = boxes_of("mixed", 60, height, width, generator)
    if kind == "empty":  # of no width, or of a negative one, or nothing but a point
        anchors[::3, 2] = anchors[::3, 0]
        anchors[1::7, 2] = anchors[1::7, 0] - 9
        anchors[2::7, 2:] = anchors[2::7, :2]
    if kind in ("broken", "overflowing"):
        values = [torch.nan, torch.inf, -torch.inf] if kind == "broken" else [3e38, -1e20, 1e10]
        at = torch.randint(count, (3,), generator=generator)
        anchors[at, torch.randint(4, (3,), generator=generator)] = torch.tensor(values)
    return anchors


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
