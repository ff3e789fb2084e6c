"""The assignment of anchors to boxes, by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retina_plugin import BACKGROUND, IGNORED, label_anchors
from retina_plugin.matching import MatchRule, match_image

BAND = MatchRule(match_low_quality=False)
# IoU with the box (0, 0, 10, 10): a box of the same width and height h has h / 10.
BOX = torch.tensor([[0.0, 0.0, 10.0, 10.0]])


def slices(*heights):
    return torch.tensor([[0.0, 0.0, 10.0, height] for height in heights])


def random_case(seed, gts=12):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(400, 2, generator=generator) * 100
    size = torch.rand(400, 2, generator=generator) * 40 + 4
    anchors = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    corner = torch.rand(gts, 2, generator=generator) * 80
    boxes = torch.cat([corner, corner + torch.rand(gts, 2, generator=generator) * 40 + 2], dim=1)
    return anchors.round(), boxes.round()


def test_codes_are_the_named_constants():
    assert (BACKGROUND, IGNORED) == (-1, -2)


def test_band_has_its_lower_ends_closed():
    """IoU .5 is positive, [.4, .5) ignored, below .4 background."""
    codes = label_anchors(slices(10, 5, 4.999, 4, 3.999, 1), [BOX], BAND)
    assert codes.tolist() == [[0, 0, IGNORED, IGNORED, BACKGROUND, BACKGROUND]]


def test_anchor_takes_its_best_box():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 6.0], [0.0, 0.0, 10.0, 9.0]])
    assert label_anchors(slices(10), [boxes], BAND).tolist() == [[1]]


def test_low_quality_match_gives_every_box_its_best_anchors():
    codes = label_anchors(slices(3, 2, 3), [BOX])
    assert codes.tolist() == [[0, BACKGROUND, 0]]


def test_later_box_wins_a_low_quality_tie():
    boxes = torch.cat([BOX, BOX])
    assert label_anchors(slices(3), [boxes]).tolist() == [[1]]


def test_min_pos_iou_bounds_low_quality_matches():
    assert label_anchors(slices(3), [BOX], MatchRule(min_pos_iou=0.31)).tolist() == [[BACKGROUND]]
    assert label_anchors(slices(3), [BOX], MatchRule(min_pos_iou=0.3)).tolist() == [[0]]


@pytest.mark.parametrize(
    "bad",
    [
        [5.0, 5.0, 5.0, 9.0],
        [9.0, 5.0, 5.0, 9.0],
        [5.0, 5.0, 5.0, 5.0],
        [math.nan, 0.0, 10.0, 10.0],
        [0.0, 0.0, math.inf, 10.0],
        [500.0, 500.0, 510.0, 510.0],
    ],
)
def test_box_that_overlaps_nothing_changes_nothing(bad):
    """Stock gives a box of no area every anchor; a NaN box makes it ignore all of them."""
    anchors = slices(10, 4.5, 1)
    alone = label_anchors(anchors, [BOX])
    assert torch.equal(label_anchors(anchors, [torch.cat([BOX, torch.tensor([bad])])]), alone)
    first = label_anchors(anchors, [torch.cat([torch.tensor([bad]), BOX])])
    assert torch.equal(first, torch.where(alone >= 0, alone + 1, alone))


def test_image_without_boxes_is_background():
    codes = label_anchors(slices(10, 5), [torch.zeros(0, 4), BOX])
    assert codes.tolist() == [[BACKGROUND, BACKGROUND], [0, 0]]


@pytest.mark.parametrize("low_quality", [True, False])
def test_no_anchors_have_no_codes(low_quality):
    codes, best = match_image(torch.zeros(0, 4), BOX, MatchRule(match_low_quality=low_quality))
    assert codes.shape == best.shape == (0,)


def test_batch_equals_image_by_image():
    anchors, _ = random_case(0)
    boxes = [random_case(seed, gts)[1] for seed, gts in [(0, 3), (1, 0), (2, 7)]]
    batch = label_anchors(anchors, boxes)
    for codes, boxes_i in zip(batch, boxes, strict=True):
        assert torch.equal(codes, label_anchors(anchors, [boxes_i])[0])


def test_anchor_that_is_not_valid_is_ignored_and_claims_nothing():
    anchors = slices(10, 8, 3)
    valid = torch.tensor([[False, True, True]])
    codes = label_anchors(anchors, [BOX], valid=valid)
    assert codes.tolist() == [[IGNORED, 0, BACKGROUND]]
    assert label_anchors(anchors, [torch.zeros(0, 4)], valid=valid)[0, 0] == IGNORED


def test_ignore_regions_count_in_the_batch_form():
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    crowd = [torch.tensor([[48.0, 48.0, 80.0, 80.0]]), torch.zeros(0, 4)]
    codes = label_anchors(anchors, [BOX, BOX], MatchRule(ignore_iof_thr=0.5), crowd)
    assert codes.tolist() == [[0, IGNORED], [0, BACKGROUND]]


def test_match_image_returns_the_best_iou():
    _, best = match_image(slices(10, 5, 1), BOX)
    torch.testing.assert_close(best, torch.tensor([1.0, 0.5, 0.1]))


def float32_iou(a, b):
    a, b = np.float32(a), np.float32(b)
    width = max(min(a[2], b[2]) - max(a[0], b[0]), np.float32(0))
    height = max(min(a[3], b[3]) - max(a[1], b[1]), np.float32(0))
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return width * height / max(areas[0] + areas[1] - width * height, np.float32(1e-6))


def brute_force(anchors, boxes, low_quality):
    """The rule, one anchor and one box at a time."""
    good = [b[2] > b[0] and b[3] > b[1] for b in boxes]
    iou = [
        [float32_iou(b, a) if ok else 0.0 for a in anchors]
        for b, ok in zip(boxes, good, strict=True)
    ]
    codes = []
    for r in range(len(anchors)):
        column = [row[r] for row in iou]
        best = max(column, default=0.0)
        code = column.index(best) if best >= 0.5 else BACKGROUND if best < 0.4 else IGNORED
        for g, row in enumerate(iou):
            if low_quality and max(row) > 0 and row[r] == max(row):
                code = g
        codes.append(code)
    return codes


CORNER = st.integers(0, 12)
ANY_BOX = st.tuples(CORNER, CORNER, CORNER, CORNER)
REAL_BOX = ANY_BOX.map(lambda b: (b[0], b[1], b[0] + 1 + b[2], b[1] + 1 + b[3]))


@given(
    anchors=st.lists(REAL_BOX, min_size=1, max_size=12),
    boxes=st.lists(st.one_of(REAL_BOX, ANY_BOX), max_size=6),
    low_quality=st.booleans(),
)
def test_codes_are_those_of_the_rule_applied_one_by_one(anchors, boxes, low_quality):
    """Ties, nested, identical, degenerate and inverted boxes included."""
    tensors = [torch.tensor(b, dtype=torch.float32).view(-1, 4) for b in (anchors, boxes)]
    codes = label_anchors(tensors[0], [tensors[1]], MatchRule(match_low_quality=low_quality))
    assert codes[0].tolist() == brute_force(anchors, boxes, low_quality)
