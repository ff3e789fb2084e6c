import pytest
import torch

from retina_plugin.analysis.benchmark.setting import grid_of
from retina_plugin.boxes import valid_boxes
from retina_plugin.faults.degenerate_boxes import (
    CASES,
    FORMS,
    KINDS,
    MOST,
    ROWS,
    SETTING,
    Batch,
    draw_batch,
    losses,
    make_head,
)

SOUND = ("outside", "overflowing")  # with a size, but overlapping no anchor


def test_other_boxes_keep_their_anchors():
    outcome = ROWS[0].ours(len(KINDS) * len(FORMS) * 2)
    assert outcome.passed, outcome.failures


def test_stock_gives_anchors_away():
    outcome = ROWS[0].stock(2)
    assert outcome.good == 1  # without low-quality matches
    assert "2311 of 4626 anchors change" in outcome.failures[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_goes_where_it_is_said_to(kind):
    batch = draw_batch(3, "cpu")
    gt, more = batch.gts[batch.image], batch.with_box(kind)[batch.image]
    assert len(more.labels) == len(more.bboxes) == len(gt.labels) + 1
    assert valid_boxes(more.bboxes)[batch.place] == (kind in SOUND)
    stays = torch.arange(len(more.labels)) != batch.place
    assert torch.equal(more.bboxes[stays], gt.bboxes)
    assert torch.equal(more.labels[stays], gt.labels)


def test_codes_make_room():
    batch = Batch(gts=[], image=1, place=2)
    codes = torch.tensor([[0, 2, -1, -2], [1, 2, 3, -1]])
    assert batch.shifted(codes).tolist() == [[0, 2, -1, -2], [1, 3, 4, -1]]


def test_every_kind_meets_every_form_and_images_without_other_boxes():
    assert {case[1:] for case in CASES} == {
        (kind, form, low) for kind in KINDS for form in FORMS for low in (True, False)
    }
    counts = [len(gt.labels) for seed in range(10) for gt in draw_batch(seed, "cpu").gts]
    assert min(counts) == 0
    assert max(counts) == MOST


def test_a_changed_loss_is_seen():
    head, grid = make_head("plain", low_quality=True), grid_of(SETTING)
    gts = draw_batch(3, "cpu").gts
    first = losses(head, grid, gts)
    assert all(value.isfinite().all() for value in first)
    gts[0].bboxes[0] += 8
    assert not torch.equal(losses(head, grid, gts)[1], first[1])
