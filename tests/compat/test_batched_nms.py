import math

import mmcv.ops
import pytest
import torch
from mmdet.models.dense_heads import base_dense_head

from retina_plugin.compat.batched_nms import guarded

CFG = {"type": "nms", "iou_threshold": 0.5}
BOXES = torch.tensor(
    [[0, 0, 10, 10], [0, 0, 10, 9], [1300, 800, 1330, 830], [1300, 800, 1330, 829]]
).float()
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6])
LABELS = torch.tensor([0, 0, 79, 79])
PLAIN = mmcv.ops.batched_nms.__wrapped__


def test_mmdetection_calls_the_guard():
    assert base_dense_head.batched_nms is mmcv.ops.batched_nms
    assert hasattr(mmcv.ops.batched_nms, "__wrapped__")
    assert not hasattr(PLAIN, "__wrapped__")


@pytest.mark.parametrize("cfg", [CFG, {"type": "soft_nms", "iou_threshold": 0.5}, None])
@pytest.mark.parametrize("agnostic", [False, True])
def test_finite_boxes_give_what_mmcv_gives(cfg, agnostic):
    for count in (1, 4):
        inputs = BOXES[:count], SCORES[:count], LABELS[:count], cfg, agnostic
        expected, got = PLAIN(*inputs), mmcv.ops.batched_nms(*inputs)
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["box", "score"])
def test_a_candidate_that_is_not_finite_is_dropped_and_counted(broken, where, logged):
    boxes, scores = BOXES.clone(), SCORES.clone()
    (boxes if where == "box" else scores[:, None])[1, -1] = broken
    found, keep = mmcv.ops.batched_nms(boxes, scores, LABELS, CFG)
    assert keep.tolist() == [0, 2]
    torch.testing.assert_close(found[:, 4], torch.tensor([0.9, 0.7]))
    assert torch.equal(found[:, :4], BOXES[[0, 2]])
    assert "1 of 4 candidates of an image are not finite" in logged.text


def test_without_the_guard_one_such_box_switches_nms_off():
    boxes = BOXES.clone()
    boxes[1, 0] = math.nan
    assert len(PLAIN(boxes, SCORES, LABELS, CFG)[1]) == 4


def test_boxes_in_half_precision_do_not_overflow_between_classes():
    found, keep = mmcv.ops.batched_nms(BOXES.half(), SCORES.half(), LABELS, CFG)
    assert keep.tolist() == [0, 2]
    assert found.dtype == torch.float16
    assert len(PLAIN(BOXES.half(), SCORES.half(), LABELS, CFG)[1]) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("cfg", [CFG, None])
def test_no_candidate_is_no_detection(dtype, cfg):
    empty = BOXES[:0].to(dtype), SCORES[:0].to(dtype), LABELS[:0]
    found, keep = mmcv.ops.batched_nms(*empty, cfg)
    assert found.shape == (0, 5)
    assert found.dtype == dtype
    assert keep.dtype == torch.long
    broken = torch.full((1, 4), math.nan, dtype=dtype)
    assert len(guarded(PLAIN)(broken, SCORES[:1].to(dtype), LABELS[:1], cfg)[1]) == 0
