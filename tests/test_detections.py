"""From predictions of one image to its detections."""

import math

import pytest
import torch
from mmdet.models.utils import filter_scores_and_topk

from retina_plugin.detections import Candidates, concatenate, detections, select

CFG = {"min_bbox_size": 0, "nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 100}
META = {"scale_factor": (2.0, 4.0), "img_path": "cat.jpg"}
BOXES = torch.tensor(
    [
        [0.0, 0.0, 10.0, 10.0],
        [0.0, 0.0, 10.0, 9.0],  # IoU .9 with the first
        [20.0, 20.0, 30.0, 30.0],
        [20.0, 20.0, 20.0, 30.0],  # no width
    ]
)


def candidates(labels=(0, 0, 1, 1), scores=(0.9, 0.8, 0.7, 0.6)):
    return Candidates(torch.tensor(scores), torch.tensor(labels), BOXES, BOXES)


def run(boxes=BOXES, rescale=False, with_nms=True, given=None, **changes):
    return detections(boxes, given or candidates(), META, {**CFG, **changes}, rescale, with_nms)


@pytest.mark.parametrize("nms_pre", [1000, 7])
def test_selection_equals_mmdetection(nms_pre):
    generator = torch.Generator().manual_seed(0)
    scores, deltas = torch.rand(40, 3, generator=generator), torch.rand(40, 4, generator=generator)
    got = select(scores, deltas, deltas + 1, 0.6, nms_pre)
    expected = filter_scores_and_topk(scores, 0.6, nms_pre, {"deltas": deltas})
    assert torch.equal(got.scores, expected[0])
    assert torch.equal(got.labels, expected[1])
    assert torch.equal(got.deltas, expected[3]["deltas"])
    assert torch.equal(got.anchors, got.deltas + 1)


def test_selection_without_limit_keeps_all_above_the_threshold():
    scores = torch.tensor([[0.05, 0.06], [0.9, 0.01]])
    got = select(scores, torch.zeros(2, 4), torch.zeros(2, 4), 0.05, -1)
    torch.testing.assert_close(got.scores, torch.tensor([0.9, 0.06]))
    assert got.labels.tolist() == [0, 1]


def test_selection_takes_the_deltas_of_the_class():
    deltas = torch.arange(16.0).view(2, 2, 4)
    got = select(torch.tensor([[0.0, 0.5], [0.6, 0.0]]), deltas, torch.zeros(2, 4), 0.05, 10)
    assert got.deltas.tolist() == [[8.0, 9.0, 10.0, 11.0], [4.0, 5.0, 6.0, 7.0]]


def test_levels_are_joined_in_order():
    both = concatenate([candidates(), candidates(scores=(0.5, 0.4, 0.3, 0.2))])
    torch.testing.assert_close(both.scores, torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]))
    assert both.labels.tolist() == [0, 0, 1, 1] * 2
    assert both.anchors.shape == both.deltas.shape == (8, 4)


def test_nms_keeps_the_best_of_overlapping_boxes_of_a_class():
    result = run()
    assert result.labels.tolist() == [0, 1]
    assert torch.equal(result.bboxes, BOXES[[0, 2]])
    torch.testing.assert_close(result.scores, torch.tensor([0.9, 0.7]))


def test_nms_leaves_other_classes_alone_unless_class_agnostic():
    given = candidates(labels=(0, 1, 1, 1))
    assert len(run(given=given).labels) == 3
    agnostic = {"type": "nms", "iou_threshold": 0.5, "class_agnostic": True}
    assert len(run(given=given, nms=agnostic).labels) == 2


def test_soft_nms_lowers_scores_and_keeps_boxes():
    result = run(nms={"type": "soft_nms", "iou_threshold": 0.5, "min_score": 0.01})
    assert len(result.labels) == 3
    assert 0 < result.scores[2] < 0.1  # .8 * (1 - .9)


def test_box_without_area_is_dropped_and_a_minimum_size_can_be_asked():
    assert len(run(with_nms=False).labels) == 3
    assert len(run(with_nms=False, min_bbox_size=9.5).labels) == 2
    assert len(run(with_nms=False, min_bbox_size=-1).labels) == 4


def test_rescale_divides_by_the_scale_factor():
    result = run(rescale=True, with_nms=False)
    assert result.bboxes[0].tolist() == [0.0, 0.0, 5.0, 2.5]


def test_at_most_max_per_img_are_returned_best_first():
    result = run(max_per_img=1)
    torch.testing.assert_close(result.scores, torch.tensor([0.9]))


def test_nothing_selected_is_an_empty_result():
    empty = Candidates(*(field[:0] for field in vars(candidates()).values()))
    result = run(boxes=BOXES[:0], given=empty)
    assert result.bboxes.shape == (0, 4)
    assert result.labels.dtype == torch.long


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["box", "score"])
def test_candidate_that_is_not_finite_is_dropped_and_counted(broken, where, logged):
    """In stock MMDetection one such box switches NMS off for the whole image."""
    boxes, scores = BOXES.clone(), torch.tensor([0.9, 0.8, 0.7, 0.6])
    (boxes if where == "box" else scores[:, None])[2, 0] = broken
    given = Candidates(scores, torch.tensor([0, 0, 1, 1]), BOXES, BOXES)
    result = run(boxes=boxes, given=given)
    assert torch.equal(result.bboxes, BOXES[:1])
    assert "1 of 4 candidates of image cat.jpg are not finite" in logged.text


def test_score_that_is_not_a_number_is_selected_to_be_counted():
    scores = torch.tensor([[math.nan, 0.01]])
    assert len(select(scores, torch.zeros(1, 4), torch.zeros(1, 4), 0.05, 10).scores) == 1
