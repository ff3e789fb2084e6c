"""The blockwise assignment against the matrix of all IoUs, on usual and on hostile input."""

import pytest
import torch

from retina_plugin.analysis.timing import peak_bytes
from retina_plugin.kernels import blocks
from retina_plugin.kernels.blocks import excluded_in_blocks, is_near, match_blocks
from retina_plugin.matching import PAPER_RULE, MatchRule, excluded_anchors, match_image

BOX = torch.tensor([[4.0, 4.0, 40.0, 44.0]])


def assert_equals_the_plain_form(anchors, boxes, rule, regions=None, valid=None):
    """Without the regions, which come in as flags."""
    found = match_blocks(anchors, boxes, rule, valid)
    expected = match_image(anchors, boxes, rule, None, valid)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_codes_and_overlaps_equal_the_plain_form(images):
    for image in images:
        assert_equals_the_plain_form(*image)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_anchors_equal_the_plain_form(images, dtype):
    for anchors, *image in images[::5]:
        assert_equals_the_plain_form(anchors.to(dtype), *image)


def test_parts_of_bounded_size_give_the_same(images, monkeypatch):
    monkeypatch.setattr(blocks, "AT_ONCE", {"cpu": 3 * blocks.BLOCK})
    for image in images[::5]:
        assert_equals_the_plain_form(*image)


def test_no_boxes_leave_background(make_grid):
    anchors = make_grid(64, 64).flat()
    rule = MatchRule(neg_iou_thr=(0.1, 0.4))
    valid = torch.arange(len(anchors)) % 2 == 0
    assert_equals_the_plain_form(anchors, BOX[:0], rule, None, valid)


@pytest.mark.parametrize("wrt_candidates", [True, False])
def test_ignore_regions_are_compared_in_parts(make_grid, make_boxes, wrt_candidates, monkeypatch):
    monkeypatch.setattr(blocks, "AT_ONCE", {"cpu": 100})
    anchors = make_grid(64, 64).flat()
    regions = make_boxes("usual", 7, 64, 64, torch.Generator().manual_seed(0))
    rule = MatchRule(ignore_iof_thr=0.2, ignore_wrt_candidates=wrt_candidates)
    for valid in (None, torch.arange(len(anchors)) % 2 == 0):
        expected = excluded_anchors(anchors, rule, regions, valid)
        assert torch.equal(excluded_in_blocks(anchors, rule, regions, valid), expected)


def test_memory_grows_with_the_anchors_and_not_with_the_matrix(make_grid, make_boxes):
    grid = make_grid(512, 512)
    boxes = make_boxes("usual", 400, 512, 512, torch.Generator().manual_seed(0))
    matrix = len(boxes) * grid.flat().nbytes // 4
    taken = peak_bytes(lambda: match_blocks(grid.flat(), boxes, PAPER_RULE), "cpu")
    assert taken < matrix / 2
    assert taken < peak_bytes(lambda: match_image(grid.flat(), boxes), "cpu") / 5


@pytest.mark.parametrize(
    ("value", "near"), [(1e4, True), (-1e4, True), (2e9, False), (torch.inf, False)]
)
def test_far_anchors_and_boxes_are_told_apart(value, near):
    anchors = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    moved = torch.tensor([[0.0, 0.0, max(value, 8.0), 8.0]]) + min(value, 0)
    assert is_near(moved, BOX) is near
    assert is_near(anchors, torch.cat([BOX, moved])) is (
        near or value == torch.inf
    )  # that one is no box
    assert not is_near(anchors.half(), BOX)
    assert not is_near(anchors[:0], BOX)
