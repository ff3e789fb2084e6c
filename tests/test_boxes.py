"""Pure functions on boxes, against MMDetection and by hand."""

import math

import torch
from mmdet.structures.bbox import bbox_overlaps

from retina_plugin.boxes import (
    box_areas,
    box_sizes,
    intersection,
    pairwise_coverage,
    pairwise_iou,
    valid_boxes,
)

SQUARE = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
OTHERS = torch.tensor(
    [
        [0.0, 0.0, 10.0, 10.0],  # the same
        [5.0, 5.0, 15.0, 15.0],  # a quarter in common: 25 / 175
        [10.0, 0.0, 20.0, 10.0],  # touches
        [2.0, 2.0, 4.0, 4.0],  # inside: 4 / 100
    ]
)


def random_boxes(count, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 50
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 30], dim=1)


def test_sizes_and_areas_by_hand():
    box = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    assert box_sizes(box).tolist() == [[3.0, 6.0]]
    assert box_areas(box).tolist() == [18.0]


def test_intersection_by_hand():
    assert intersection(SQUARE[:, None], OTHERS).tolist() == [[100.0, 25.0, 0.0, 4.0]]


def test_iou_by_hand():
    expected = torch.tensor([[1.0, 25 / 175, 0.0, 0.04]])
    torch.testing.assert_close(pairwise_iou(SQUARE, OTHERS), expected)


def test_iou_and_coverage_equal_mmdetection_bit_for_bit():
    boxes, others = random_boxes(20, 0), random_boxes(30, 1)
    assert torch.equal(pairwise_iou(boxes, others), bbox_overlaps(boxes, others))
    assert torch.equal(pairwise_coverage(boxes, others), bbox_overlaps(boxes, others, mode="iof"))


def test_iou_of_two_empty_boxes_is_zero():
    point = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert pairwise_iou(point, point).item() == 0


def test_no_boxes_give_an_empty_matrix():
    assert pairwise_iou(torch.zeros(0, 4), OTHERS).shape == (0, 4)


def test_valid_boxes_are_finite_and_have_an_area():
    boxes = torch.tensor(
        [
            [0.0, 0.0, 1.0, 1.0],
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, 0.0],
            [2.0, 0.0, 1.0, 1.0],
            [math.nan, 0.0, 1.0, 1.0],
            [0.0, 0.0, math.inf, 1.0],
        ]
    )
    assert valid_boxes(boxes).tolist() == [True, False, False, False, False, False]
