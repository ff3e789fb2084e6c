"""Which form assigns, and what happens where it cannot."""

import pytest
import torch

from retina_plugin.compat.torch_features import OutOfMemoryError
from retina_plugin.kernels import assignment
from retina_plugin.kernels.assignment import assign_flat, fast_codes, match_flat
from retina_plugin.kernels.fallback import warn_once
from retina_plugin.matching import PAPER_RULE, MatchRule, label_anchors, match_image

BOXES = [torch.tensor([[4.0, 4.0, 40.0, 44.0]]), torch.zeros(0, 4)]
REGIONS = [torch.tensor([[20.0, 20.0, 60.0, 60.0]]), None]


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("form", ["windowed", "masked"])
def test_fast_forms_give_the_plain_codes(make_grid, form, request):
    if form == "masked":
        request.getfixturevalue("interpreted")
    grid = make_grid(64, 64)
    codes = fast_codes(grid, BOXES, PAPER_RULE, [None, None], None, form)
    assert torch.equal(codes, label_anchors(grid.flat(), BOXES, PAPER_RULE))


@pytest.mark.parametrize("form", ["plain", "windowed", "masked"])
def test_ignore_regions_are_left_out_or_left_to_the_plain_form(make_grid, form):
    rule, grid = MatchRule(ignore_iof_thr=0.5), make_grid(64, 64)
    codes = fast_codes(grid, BOXES, rule, REGIONS, None, form)
    if form == "windowed":
        assert torch.equal(codes, label_anchors(grid.flat(), BOXES, rule, REGIONS))
        assert fast_codes(grid, BOXES, rule, [None, None], None, form) is not None
    else:
        assert codes is None


def test_flags_of_each_image_count(make_grid):
    grid = make_grid(64, 64)
    valid = torch.rand(2, len(grid.flat())) > 0.3
    codes = fast_codes(grid, BOXES, PAPER_RULE, [None, None], valid, "windowed")
    assert torch.equal(codes, label_anchors(grid.flat(), BOXES, PAPER_RULE, None, valid))


def test_anchors_that_are_no_grid_are_assigned_by_compiled_code(make_grid):
    grid = make_grid(64, 64)
    grid.levels[0][100:] += 3
    assert not grid.is_regular
    codes = fast_codes(grid, BOXES, PAPER_RULE, [None, None], None, "windowed")
    assert torch.equal(codes, label_anchors(grid.flat(), BOXES, PAPER_RULE))


def test_without_a_compiler_windows_take_over_where_they_can(make_grid, no_compiler):
    grid, given = make_grid(64, 64), (BOXES, PAPER_RULE, [None, None], None, "windowed")
    codes = fast_codes(grid, *given)
    assert torch.equal(codes, label_anchors(grid.flat(), BOXES, PAPER_RULE))
    assert fast_codes(grid, BOXES, MatchRule(ignore_iof_thr=0.5), REGIONS, None, "windowed") is None
    moved = make_grid(64, 72)
    moved.levels[0][100:] += 3
    assert fast_codes(moved, *given) is None


def test_flat_anchors_equal_the_plain_form(images):
    for image in images:
        assert_equal(match_flat(*image), match_image(*image))


@pytest.mark.parametrize("small", [0, 10**9])
def test_flat_anchors_without_a_compiler_equal_the_plain_form(
    images, small, no_compiler, logged, monkeypatch
):
    monkeypatch.setattr(assignment, "SMALL", small)
    warn_once.cache_clear()
    for image in images[::5]:
        assert_equal(match_flat(*image), match_image(*image))
    assert logged.text.count("in plain PyTorch, block after block: no compiler") <= 1


@pytest.mark.parametrize(
    "rule",
    [
        MatchRule(pos_iou_thr=0.0, neg_iou_thr=0.0),
        MatchRule(pos_iou_thr=-1.0, neg_iou_thr=-1.0),
        MatchRule(neg_iou_thr=(-2.0, 0.4), min_pos_iou=-1.0),
    ],
)
def test_thresholds_that_a_detector_sets_to_anything_equal_the_plain_form(rule, images):
    for anchors, boxes, _, *others in images[::9]:
        assert_equal(
            match_flat(anchors, boxes, rule, *others), match_image(anchors, boxes, rule, *others)
        )


def test_no_anchors_or_no_boxes_equal_the_plain_form(make_grid):
    anchors = make_grid(64, 64).flat()
    for given in ((anchors, BOXES[1]), (anchors[:0], BOXES[0]), (anchors[:0], BOXES[1])):
        assert_equal(match_flat(*given, PAPER_RULE), match_image(*given))


def test_anchors_that_change_in_place_are_assigned_anew(make_grid):
    anchors = make_grid(64, 64).flat().clone()
    for _ in range(2):
        assert_equal(match_flat(anchors, BOXES[0], PAPER_RULE), match_image(anchors, BOXES[0]))
        anchors += 7.5


def test_labels_of_another_number_than_boxes_are_not_read_beyond_their_end(make_grid):
    anchors, boxes = make_grid(64, 64).flat(), BOXES[0].repeat(3, 1)
    with pytest.raises(IndexError):
        assign_flat(anchors, boxes, torch.zeros(1, dtype=torch.long), PAPER_RULE)


def test_labels_and_codes_are_those_of_mmdetection(images):
    for anchors, boxes, rule, regions, _ in images[::3]:
        labels = torch.arange(len(boxes)) * 7
        gt_inds, best, found = assign_flat(anchors, boxes, labels, rule, regions)
        codes, expected = match_image(anchors, boxes, rule, regions)
        assert torch.equal(gt_inds, codes + 1)
        torch.testing.assert_close(best, expected, rtol=0, atol=0, equal_nan=True)
        assert torch.equal(found, torch.where(codes >= 0, codes * 7, -1))


@pytest.mark.parametrize("low_quality", [True, False])
def test_triton_kernel_gives_codes_and_overlaps(make_grid, interpreted, low_quality, monkeypatch):
    monkeypatch.setattr(assignment, "_native", assignment._triton)
    anchors = make_grid(64, 64).flat()
    valid = torch.rand(len(anchors)) > 0.3
    given = anchors, BOXES[0], MatchRule(match_low_quality=low_quality), None
    for flags in (None, valid):
        assert_equal(match_flat(*given, flags), match_image(*given, flags))


def test_without_triton_the_plain_form_takes_over_and_says_so(make_grid, logged):
    warn_once.cache_clear()
    for _ in range(2):
        given = make_grid(64, 64), BOXES, PAPER_RULE, [None, None], None
        assert fast_codes(*given, "masked") is None
    assert logged.text.count("assigned by the plain form, image after image: Triton works") == 1


def test_accelerator_out_of_memory_takes_the_plain_form(make_grid, logged, monkeypatch):
    def full(device_type):
        raise OutOfMemoryError("2 GB asked for")

    warn_once.cache_clear()
    monkeypatch.setattr(assignment, "triton_match", full)
    given = make_grid(64, 64), BOXES, PAPER_RULE, [None, None], None
    assert fast_codes(*given, "masked") is None
    assert "plain form, image after image: 2 GB asked for" in logged.text
