"""The compiled assignment against the matrix of all IoUs, on usual and on hostile input."""

import pytest
import torch

from retina_plugin.kernels import native_match, threads
from retina_plugin.kernels.blocks import is_near
from retina_plugin.kernels.native_match import Matching, write_native
from retina_plugin.matching import MatchRule, excluded_anchors, match_image


def native(anchors, boxes, rule, regions=None, valid=None):
    if regions is not None:
        valid = ~excluded_anchors(anchors, rule, regions, valid)
    codes, best = torch.full((len(anchors),), 99), torch.full((len(anchors),), 99.0)
    write_native(Matching.of(anchors, boxes, valid), rule, codes, best)
    return codes, best


def assert_equals_the_plain_form(images):
    for image in images:
        if is_near(image[0], [image[1]]):
            codes, best = native(*image)
            expected, expected_best = match_image(*image)
            assert torch.equal(codes, expected)
            assert torch.equal(best, expected_best)


def test_codes_and_overlaps_equal_the_plain_form(images):
    assert_equals_the_plain_form(images)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_threads_gives_the_same(images, count, monkeypatch):
    monkeypatch.setattr(threads.torch, "get_num_threads", lambda: count)
    monkeypatch.setattr(native_match, "PAIRS", 100)
    assert_equals_the_plain_form(images[::3])


@pytest.mark.parametrize("count", [1, 127, 128, 129, 255, 257])
def test_any_number_of_anchors(make_anchors, make_boxes, count):
    generator = torch.Generator().manual_seed(count)
    anchors = make_anchors("shuffled", 64, 64, generator)[:count]
    boxes = make_boxes("usual", 5, 64, 64, generator)
    for rule in (MatchRule(), MatchRule(gt_max_assign_all=False)):
        assert_equals_the_plain_form([(anchors, boxes, rule)])


def test_anchors_and_flags_that_are_not_contiguous(make_anchors, make_boxes):
    generator = torch.Generator().manual_seed(0)
    anchors = make_anchors("grid", 64, 64, generator).t().contiguous().t()
    valid = (torch.rand(len(anchors), 2, generator=generator) > 0.3)[:, 0]
    boxes = make_boxes("usual", 5, 64, 64, generator).double()
    assert_equals_the_plain_form([(anchors, boxes, MatchRule(), None, valid)])


def test_an_image_without_a_box_is_background():
    anchors = torch.tensor([[0.0, 0.0, 8.0, 8.0]] * 3)
    valid = torch.tensor([True, False, True])
    rule = MatchRule(neg_iou_thr=(0.1, 0.4))
    for boxes in (torch.zeros(0, 4), torch.zeros(2, 4), torch.full((1, 4), torch.nan)):
        assert_equals_the_plain_form([(anchors, boxes, rule, None, valid)])


def test_codes_without_overlaps_are_the_same(make_anchors, make_boxes):
    generator = torch.Generator().manual_seed(0)
    anchors = make_anchors("grid", 64, 64, generator)
    boxes, codes = make_boxes("whole", 5, 64, 64, generator), torch.empty(len(anchors)).long()
    write_native(Matching.of(anchors, boxes, None), MatchRule(), codes)
    assert torch.equal(codes, match_image(anchors, boxes)[0])
