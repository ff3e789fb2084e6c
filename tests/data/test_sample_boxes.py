import itertools
import math

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from retina_plugin.data.sample_boxes import _are_all_usable, drop_degenerate, usable

BOXES = torch.tensor(
    [
        [0, 0, 10, 10],
        [5, 5, 5, 9],  # no width
        [5, 5, 5.9, 9],
        [0, 0, math.nan, 9],
        [0, 0, math.inf, 9],
        [9, 9, 3, 3],  # corners the wrong way round
        [7, 7, 8, 8],
    ]
)
GOOD = [0, 6]


def sample(boxes):
    made = DetDataSample()
    labels = torch.arange(len(boxes))
    made.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    made.ignored_instances = InstanceData(bboxes=boxes[:2], labels=labels[:2])
    return made


def test_what_is_usable():
    assert usable(BOXES).nonzero().flatten().tolist() == GOOD
    assert usable(torch.zeros(0, 4)).tolist() == []
    assert usable(torch.zeros(2, 8)).all()  # polygons are not for us to judge


@pytest.mark.parametrize("kind", [lambda boxes: boxes, HorizontalBoxes])
def test_the_quick_look_at_all_boxes_agrees(kind):
    for subset in itertools.combinations(range(len(BOXES)), 2):
        boxes = BOXES[list(subset)]
        assert _are_all_usable(kind(boxes)) == usable(boxes).all()
    assert not _are_all_usable(torch.zeros(2, 8))  # which takes a closer look


def test_one_pixel_survives_single_precision():
    left = torch.tensor([100000.3])
    box = torch.stack([left, left, left + 1, left + 1], dim=1)
    assert usable(box).all() or (box[0, 2] - box[0, 0]) < 0.999


@pytest.mark.parametrize("kind", [lambda boxes: boxes, HorizontalBoxes])
def test_packed_samples_lose_box_and_label(kind):
    data = {"data_samples": sample(kind(BOXES))}
    assert drop_degenerate(data) == 5 + 1
    assert data["data_samples"].gt_instances.labels.tolist() == GOOD
    assert len(data["data_samples"].gt_instances.bboxes) == 2
    assert data["data_samples"].ignored_instances.labels.tolist() == [0]


def test_several_samples_of_one_image():
    assert drop_degenerate({"data_samples": [sample(BOXES), sample(BOXES)]}) == 12


@pytest.mark.parametrize("kind", [lambda boxes: boxes.numpy(), HorizontalBoxes])
def test_what_is_not_packed(kind):
    data = {
        "gt_bboxes": kind(BOXES),
        "gt_bboxes_labels": torch.arange(7).numpy(),
        "gt_ignore_flags": torch.zeros(7, dtype=torch.bool).numpy(),
    }
    assert drop_degenerate(data) == 5
    assert data["gt_bboxes_labels"].tolist() == GOOD
    assert len(data["gt_ignore_flags"]) == len(data["gt_bboxes"]) == 2


def test_what_holds_no_boxes_is_left_alone():
    for data in (None, {}, {"inputs": 3}, {"data_samples": DetDataSample()}):
        assert drop_degenerate(data) == 0
