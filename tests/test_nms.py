import math

import pytest
import torch

from retina_plugin import nms as module
from retina_plugin.nms import nms, nms_plain, soft_nms


def random_boxes(count, spread=100.0):
    centre, size = torch.rand(count, 2) * spread, torch.rand(count, 2) * 40 + 1
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


# Overlaps of a with b, and of b with c: 8 * 10 / (100 + 100 - 80) = 2 / 3; of a with c: 6 / 14.
A, B, C = [0.0, 0.0, 10.0, 10.0], [2.0, 0.0, 12.0, 10.0], [4.0, 0.0, 14.0, 10.0]


@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_a_suppressed_box_suppresses_nothing(suppress):
    boxes, scores = torch.tensor([A, B, C]), torch.tensor([0.9, 0.8, 0.7])
    assert suppress(boxes, scores, 0.6).tolist() == [0, 2]


@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_an_overlap_equal_to_the_threshold_is_allowed(suppress):
    boxes, scores = torch.tensor([A, [0.0, 0.0, 10.0, 5.0]]), torch.tensor([0.9, 0.8])
    assert suppress(boxes, scores, 0.5).tolist() == [0, 1]
    assert suppress(boxes, scores, 0.4999).tolist() == [0]


@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_offset_counts_the_last_pixel(suppress):
    boxes, scores = torch.tensor([[0.0, 0, 1, 1], [1.0, 0, 2, 1]]), torch.tensor([0.9, 0.8])
    assert suppress(boxes, scores, 0.3, offset=0).tolist() == [0, 1]  # 0 / 2
    assert suppress(boxes, scores, 0.3, offset=1).tolist() == [0]  # 2 / (4 + 4 - 2)


@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_equal_scores_keep_their_order(suppress):
    boxes = torch.tensor([A, B, [50.0, 50.0, 60.0, 60.0]])
    assert suppress(boxes, torch.ones(3), 0.5).tolist() == [0, 2]


@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_boxes_without_area_are_kept(suppress):
    boxes = torch.tensor([[5.0, 5, 5, 5]] * 3 + [A])
    assert suppress(boxes, torch.tensor([0.1, 0.2, 0.3, 0.9]), 0.5).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_no_boxes_give_no_indices(suppress):
    kept = suppress(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.long


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200, 900])
@pytest.mark.parametrize("offset", [0, 1])
def test_blocks_equal_the_plain_form(monkeypatch, count, offset):
    monkeypatch.setattr(module, "BLOCK", 64)
    for threshold in (0.0, 0.3, 0.5, 0.9):
        boxes, scores = random_boxes(count), torch.rand(count)
        plain = nms_plain(boxes, scores, threshold, offset)
        assert nms(boxes, scores, threshold, offset).tolist() == plain.tolist()


def test_a_chain_of_overlaps_longer_than_a_block_alternates(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 16)
    left = torch.arange(100.0) * 2  # each overlaps the next by 2 / 3, the one after by 6 / 14
    boxes = torch.stack([left, left * 0, left + 10, left * 0 + 10], dim=1)
    assert nms(boxes, -left, 0.5).tolist() == list(range(0, 100, 2))


def test_memory_is_bounded_by_the_block(monkeypatch):
    sizes, iou = [], module._iou
    monkeypatch.setattr(
        module, "_iou", lambda a, b, offset: sizes.append(len(a) * len(b)) or iou(a, b, offset)
    )
    nms(random_boxes(3000, spread=3000.0), torch.rand(3000), 0.5)
    assert max(sizes) <= module.BLOCK**2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("suppress", [nms, nms_plain])
def test_half_precision_is_computed_in_float32(suppress, dtype):
    boxes, scores = (random_boxes(80) * 600).to(dtype), torch.rand(80).to(dtype)  # areas overflow
    kept = suppress(boxes, scores, 0.5)
    assert kept.tolist() == suppress(boxes.double(), scores.double(), 0.5).tolist()


def test_naive_soft_nms_keeps_what_nms_keeps():
    boxes, scores = random_boxes(50), torch.rand(50) + 0.1
    dets, kept = soft_nms(boxes, scores, 0.5, min_score=0.05, method="naive")
    assert kept.tolist() == nms(boxes, scores, 0.5).tolist()
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1)[kept])


@pytest.mark.parametrize(
    ("method", "factor_b", "factor_c"),
    [
        ("linear", 1 - 2 / 3, (1 - 3 / 7) * (1 - 2 / 3)),
        ("gaussian", math.exp(-4 / 9 / 0.5), math.exp(-(9 / 49 + 4 / 9) / 0.5)),
    ],
)
def test_soft_nms_lowers_a_score_with_each_better_box(method, factor_b, factor_c):
    boxes, scores = torch.tensor([C, A, B]), torch.tensor([0.1, 0.9, 0.8])
    dets, kept = soft_nms(boxes, scores, 0.4, sigma=0.5, min_score=0.0, method=method)
    assert kept.tolist() == [1, 2, 0]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.8 * factor_b, 0.1 * factor_c])
    assert torch.equal(dets[:, :4], boxes[kept])


def test_soft_nms_drops_what_falls_below_the_smallest_score():
    boxes, scores = torch.tensor([A, B, C]), torch.tensor([0.9, 0.8, 0.7])
    assert soft_nms(boxes, scores, 0.6, min_score=0.3)[1].tolist() == [0, 2]  # b: 0.8 / 3


def test_soft_nms_of_no_boxes_is_empty():
    dets, kept = soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
