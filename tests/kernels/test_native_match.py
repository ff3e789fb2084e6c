"""The compiled assignment against the matrix of all IoUs, on usual and on hostile input."""

import pytest
import torch

from retina_plugin.kernels import native_match, threads
from retina_plugin.kernels.blocks import is_near
from retina_plugin.kernels.native_match import Matching, Wanted, write_native
from retina_plugin.matching import MatchRule, excluded_anchors, match_image


def assert_equals_the_plain_form(images):
    """Codes, best IoUs and labels, or the input is not known and some of it is far off."""
    for anchors, boxes, rule, *others in images:
        valid = ~excluded_anchors(anchors, rule, *others) if others else None
        given = Matching.of(anchors, boxes, valid)
        if given is None:
            part = anchors if valid is None else anchors[valid]
            assert not (is_near(part, boxes) and len(part))
            continue
        codes, best = match_image(anchors, boxes, rule, None, valid)
        box_labels = torch.arange(len(boxes)) * 7
        found = Wanted(codes.clone(), best.clone(), 1, box_labels, codes.clone())
        for each in (found.codes, found.best, found.labels):
            each.fill_(99)
        write_native(given, rule, found)
        assert torch.equal(found.codes, codes + 1)
        assert torch.equal(found.best, best)
        assert torch.equal(found.labels, torch.where(codes >= 0, codes * 7, -1))


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
    boxes = make_boxes("usual", 5, 64, 64, generator).t().contiguous().t()
    assert_equals_the_plain_form([(anchors, boxes, MatchRule(), None, valid)])


def test_an_image_without_a_box_is_background():
    anchors = torch.tensor([[0.0, 0.0, 8.0, 8.0]] * 3)
    valid = torch.tensor([True, False, True])
    rule = MatchRule(neg_iou_thr=(0.1, 0.4))
    for boxes in (torch.zeros(0, 4), torch.zeros(2, 4), torch.full((1, 4), torch.nan)):
        assert_equals_the_plain_form([(anchors, boxes, rule, None, valid)])


def test_codes_alone_are_the_same(make_anchors, make_boxes):
    generator = torch.Generator().manual_seed(0)
    anchors = make_anchors("grid", 64, 64, generator)
    boxes, codes = make_boxes("whole", 5, 64, 64, generator), torch.empty(len(anchors)).long()
    write_native(Matching.of(anchors, boxes, None), MatchRule(), Wanted(codes))
    assert torch.equal(codes, match_image(anchors, boxes)[0])


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e10, -1e10])
def test_anchors_and_boxes_that_are_far_off_are_not_known(value):
    anchors = torch.tensor([[0.0, 0.0, 8.0, 8.0]] * 3)
    far = anchors.clone()
    far[1, 2] = value
    assert Matching.of(far, anchors, None) is None
    assert Matching.of(far, anchors, torch.tensor([True, False, True])) is not None
    is_box = value == 1e10  # any other one is no box, and matches nothing
    assert (Matching.of(anchors, far, None) is None) == is_box
