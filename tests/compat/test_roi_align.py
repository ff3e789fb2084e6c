import itertools
import math

import pytest
import torch

from retina_plugin.compat import roi_align as module
from retina_plugin.compat.roi_align import roi_align_backward, roi_align_forward
from retina_plugin.compat.roi_samples import Grid, corners, patches

BINS = 2, 3
MAX, MEAN = 0, 1
EVERY_WAY = [
    {"pool_mode": mode, "aligned": aligned, "sampling_ratio": ratio, "spatial_scale": 0.25}
    for mode, aligned, ratio in itertools.product((MAX, MEAN), (False, True), (0, 2))
]


def value_at(plane, y, x):
    """Bilinear value of a plane, 0 more than a pixel outside of it."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    total = 0.0
    for row, column in itertools.product(range(height), range(width)):
        total += max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column)) * plane[row, column]
    return total


def pool_bin(plane, start, size, cell, ratio, mode):
    counts = [ratio or math.ceil(s) for s in size]
    values = []
    for sample in itertools.product(*map(range, counts)):
        at = [c + (s + 0.5) / n for c, s, n in zip(cell, sample, counts, strict=True)]  # in bins
        values.append(value_at(plane, start[0] + at[0] * size[0], start[1] + at[1] * size[1]))
    if mode == MAX:
        return max(values, default=torch.tensor(-10000.0))
    return sum(values) / max(len(values), 1)


def reference(features, rois, pool_mode, aligned, sampling_ratio, spatial_scale):
    output = torch.zeros(len(rois), features.size(1), *BINS, dtype=features.dtype)
    for r, c, *cell in itertools.product(*map(range, output.shape)):
        box = [v * spatial_scale - 0.5 * aligned for v in rois[r, 1:].tolist()]
        size = [box[3] - box[1], box[2] - box[0]]
        size = [s if aligned else max(s, 1) for s in size]
        size = [s / bins for s, bins in zip(size, BINS, strict=True)]
        plane = features[int(rois[r, 0]), c]
        start = box[1], box[0]
        output[(r, c, *cell)] = pool_bin(plane, start, size, cell, sampling_ratio, pool_mode)
    return output


def forward(features, rois, **options):
    shape = len(rois), features.size(1), *BINS
    buffers = [features.new_full(shape, 7.0) for _ in range(3)]
    roi_align_forward(
        features, rois, *buffers, aligned_height=BINS[0], aligned_width=BINS[1], **options
    )
    return buffers


@pytest.fixture
def features():
    return torch.randn(2, 2, 5, 6, dtype=torch.float64)


@pytest.fixture
def rois():
    """Inside, across the border, far outside, without area, and a larger one of image 0."""
    boxes = [[1, 4, -7, 17, 9], [0, -9, 3, 8, 30], [0, 90, 90, 99, 99], [1, 8, 8, 8, 8]]
    return torch.tensor([*boxes, [0, 0, 0, 23.5, 19]], dtype=torch.float64)


@pytest.mark.parametrize("options", EVERY_WAY)
def test_every_way_of_pooling_equals_the_definition(features, rois, options):
    output = forward(features, rois, **options)[0]
    torch.testing.assert_close(output, reference(features, rois, **options))


@pytest.mark.parametrize("options", EVERY_WAY)
def test_gradient_is_that_of_the_definition(features, rois, options):
    leaf = features.clone().requires_grad_()
    expected = reference(leaf, rois, **options)
    grad_output = torch.randn_like(expected)
    (grad,) = torch.autograd.grad(expected, leaf, grad_output)
    _, argmax_y, argmax_x = forward(features, rois, **options)
    grad_input = torch.ones_like(features)
    roi_align_backward(
        grad_output,
        rois,
        argmax_y,
        argmax_x,
        grad_input,
        aligned_height=BINS[0],
        aligned_width=BINS[1],
        **options,
    )
    torch.testing.assert_close(grad_input, 1 + grad)  # added to what was there


def test_small_pieces_give_the_same(monkeypatch, features, rois):
    whole = forward(features, rois, **EVERY_WAY[-1])
    monkeypatch.setattr(module, "BUDGET", 1)
    for one, other in zip(whole, forward(features, rois, **EVERY_WAY[-1]), strict=True):
        assert torch.equal(one, other)


def test_a_single_image_is_pooled_as_in_a_batch_from_pixels_that_lie_together(
    monkeypatch, features, rois
):
    rois = rois[rois[:, 0] == 0]
    expected = forward(features, rois, **EVERY_WAY[-1])[0]
    sums, together = module.embedding_bag, []

    def watched(bags, rows, **options):
        together.append(rows.is_contiguous())
        return sums(bags, rows, **options)

    monkeypatch.setattr(module, "embedding_bag", watched)
    torch.testing.assert_close(forward(features[:1], rois, **EVERY_WAY[-1])[0], expected)
    assert together
    assert all(together)


def test_no_roi_gives_nothing(features):
    output = forward(features, torch.zeros(0, 5).double(), **EVERY_WAY[0])[0]
    assert output.shape == (0, 2, *BINS)


@pytest.mark.parametrize("options", EVERY_WAY)
def test_half_precision_is_the_rounded_float32(features, rois, options):
    half = forward(features.half(), rois.half(), **options)[0]
    full = forward(features.half().float(), rois.float(), **options)[0]
    assert torch.equal(half, full.half())


@pytest.mark.parametrize(
    "roi", [[2, 0, 0, 4, 4], [-1, 0, 0, 4, 4], [0, 4, 0, 0, 4], [0, math.nan, 0, 4, 4]]
)
def test_an_impossible_roi_is_named(features, rois, roi):
    rois = torch.cat([rois, torch.tensor([roi], dtype=torch.float64)])
    with pytest.raises(ValueError, match=r"RoI 5 .*image index below 2"):
        forward(features, rois, **EVERY_WAY[-1])


def test_corners_of_a_point_between_pixels():
    pixels, weights = corners(torch.tensor(1.25), torch.tensor(2.5), torch.Size([4, 6]))
    assert pixels.tolist() == [8, 9, 14, 15]  # rows 1 and 2, columns 2 and 3, six in a row
    assert weights.tolist() == [0.375, 0.375, 0.125, 0.125]


@pytest.mark.parametrize(("y", "total"), [(-1.0, 1), (-1.01, 0), (4.0, 1), (4.01, 0)])
def test_points_more_than_a_pixel_outside_weigh_nothing(y, total):
    assert corners(torch.tensor(y), torch.tensor(0.0), torch.Size([4, 6]))[1].sum() == total


def test_rois_of_one_patch_have_one_number_of_samples(features, rois):
    grid = Grid(BINS, spatial_scale=0.25, sampling_ratio=0, aligned=True)
    found = list(patches(rois, features.shape, grid, limit=10**6))
    assert sorted(torch.cat([patch.rois for patch in found]).tolist()) == [0, 1, 2, 4]
    assert all(patch.y.shape[:2] == (len(patch.rois), 6) for patch in found)
