"""The assigner behind MMDetection's interface, against MMDetection's own."""

import pickle

import pytest
import torch
from mmdet.models.task_modules import BboxOverlaps2D, MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData

from retina_plugin import AnchorAssigner


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


def stock(anchors, boxes, regions=None, **options):
    assigner = MaxIoUAssigner(**{"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, **options})
    return assigner.assign(*instances(anchors, boxes, regions))


def instances(anchors, boxes, regions=None):
    labels = torch.arange(len(boxes))
    crowd = None if regions is None else InstanceData(bboxes=regions)
    return InstanceData(priors=anchors), InstanceData(bboxes=boxes, labels=labels), crowd


@pytest.mark.parametrize("low_quality", [True, False])
@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("neg", [0.4, (0.1, 0.4)])
@pytest.mark.parametrize("seed", range(5))
def test_equals_mmdetection_where_every_box_overlaps_an_anchor(low_quality, ties, neg, seed):
    anchors, boxes = random_case(seed)
    options = {
        "match_low_quality": low_quality,
        "gt_max_assign_all": ties,
        "neg_iou_thr": neg,
    }
    ours = AnchorAssigner(**options).assign(*instances(anchors, boxes))
    theirs = stock(anchors, boxes, **options)
    assert torch.equal(ours.gt_inds, theirs.gt_inds)
    assert torch.equal(ours.labels, theirs.labels)
    assert torch.equal(ours.max_overlaps, theirs.max_overlaps)
    assert ours.num_gts == theirs.num_gts


@pytest.mark.parametrize("wrt_candidates", [True, False])
def test_ignore_regions_equal_mmdetection(wrt_candidates):
    anchors, boxes = random_case(7)
    regions = torch.tensor([[10.0, 10.0, 60.0, 60.0], [70.0, 5.0, 95.0, 30.0]])
    options = {"ignore_iof_thr": 0.5, "ignore_wrt_candidates": wrt_candidates}
    ours = AnchorAssigner(**options).assign(*instances(anchors, boxes, regions))
    assert torch.equal(ours.gt_inds, stock(anchors, boxes, regions, **options).gt_inds)
    off = AnchorAssigner().assign(*instances(anchors, boxes, regions))
    assert torch.equal(off.gt_inds, stock(anchors, boxes).gt_inds)


def test_result_is_that_of_mmdetections_class_in_every_use():
    anchors, boxes = random_case(5)
    ours = AnchorAssigner().assign(*instances(anchors, boxes))
    theirs = stock(anchors, boxes)
    assert ours.labels.dtype == theirs.labels.dtype
    assert str(ours) == str(theirs)
    for result in (ours, theirs):
        result.add_gt_(torch.arange(len(boxes)))
    again = pickle.loads(pickle.dumps(ours))
    for name in ("gt_inds", "max_overlaps", "labels"):
        assert torch.equal(getattr(again, name), getattr(theirs, name))


def test_result_stays_when_anchors_and_boxes_change_in_place():
    anchors, boxes = random_case(5)
    expected = stock(anchors, boxes)
    result = AnchorAssigner().assign(*instances(anchors, boxes))
    anchors += 50
    boxes.zero_()
    assert torch.equal(result.gt_inds, expected.gt_inds)
    assert torch.equal(result.max_overlaps, expected.max_overlaps)


def test_registry_builds_it_and_labels_are_those_of_the_boxes():
    anchors, boxes = random_case(6)
    assigner = TASK_UTILS.build({"type": "retina_plugin.AnchorAssigner"})
    given = instances(anchors, boxes)
    given[1].labels += 70
    theirs = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.4).assign(*given)
    assert torch.equal(assigner.assign(*given).labels, theirs.labels)
    given[1].labels = given[1].labels.int()  # with which MMDetection's fails
    assert torch.equal(assigner.assign(*given).labels, theirs.labels)


def test_assign_on_no_boxes_equals_mmdetection():
    ours = AnchorAssigner().assign(*instances(slices(10, 5), torch.zeros(0, 4)))
    theirs = stock(slices(10, 5), torch.zeros(0, 4))
    assert torch.equal(ours.gt_inds, theirs.gt_inds)
    assert torch.equal(ours.labels, theirs.labels)


@pytest.mark.parametrize("kind", [AnchorAssigner, MaxIoUAssigner])
def test_thresholds_that_are_set_later_count(kind):
    """As Dynamic R-CNN sets them."""
    assigner = kind(pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5)
    case = instances(slices(8, 6), torch.tensor([[0.0, 0.0, 10.0, 10.0]]))
    assert assigner.assign(*case).gt_inds.tolist() == [1, 1]
    assigner.pos_iou_thr = assigner.neg_iou_thr = assigner.min_pos_iou = 0.7
    assert assigner.assign(*case).gt_inds.tolist() == [1, 0]
    assigner.min_pos_iou = 0.9
    assigner.pos_iou_thr = assigner.neg_iou_thr = 0.9
    assert assigner.assign(*case).gt_inds.tolist() == [0, 0]
    assert assigner.pos_iou_thr == assigner.neg_iou_thr == assigner.min_pos_iou == 0.9


def test_assigning_on_the_cpu_above_a_number_of_boxes_changes_nothing():
    anchors, boxes = random_case(3)
    codes, best = AnchorAssigner(gpu_assign_thr=2).match(anchors, boxes)
    expected, expected_best = AnchorAssigner().match(anchors, boxes)
    assert torch.equal(codes, expected)
    assert torch.equal(best, expected_best)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iou_calculator": {"type": "BboxDistanceMetric"}}, "computes IoU itself"),
        ({"iou_calculator": {"type": "BboxOverlaps2D", "dtype": "fp16"}}, "computes IoU itself"),
        ({"iou_calculator": {"type": "BboxOverlaps2D", "scale": 512.0}}, "computes IoU itself"),
        ({"perm_repeat_gt_cfg": {"iou_thr": 0.7}}, "does not shift"),
        ({"pos_iou_thr": 0.3}, "neg_iou_thr <= pos_iou_thr"),
        ({"neg_iou_thr": 0.0}, "0 < neg_iou_thr"),
        ({"neg_iou_thr": (0.4, 0.1)}, r"\(low, high\), but got neg_iou_thr=\(0.4, 0.1\)"),
        ({"neg_iou_thr": (0.1, 0.2, 0.3)}, r"\(low, high\)"),
        ({"neg_iou_thr": "0.4"}, "neg_iou_thr a number"),
        ({"min_pos_iou": None}, "min_pos_iou to be a finite number"),
    ],
)
def test_value_that_cannot_be_honoured_is_an_error(options, words):
    with pytest.raises(ValueError, match=words):
        AnchorAssigner(**options)


@pytest.mark.parametrize("kind", ["BboxOverlaps2D", "mmdet.BboxOverlaps2D", BboxOverlaps2D])
def test_plain_iou_is_taken_by_each_of_its_names(kind):
    AnchorAssigner(iou_calculator={"type": kind, "scale": 1, "dtype": None})


def test_accepts_every_key_of_mmdetections_assigner():
    AnchorAssigner(
        pos_iou_thr=0.5,
        neg_iou_thr=[0.0, 0.4],
        min_pos_iou=0,
        gt_max_assign_all=True,
        ignore_iof_thr=-1,
        ignore_wrt_candidates=True,
        match_low_quality=True,
        gpu_assign_thr=-1,
        iou_calculator={"type": "BboxOverlaps2D"},
        perm_repeat_gt_cfg=None,
    )
