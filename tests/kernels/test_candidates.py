"""Anchors that cannot hold a detection are left out, and no other."""

import math

import pytest
import torch

from retina_plugin.detections import select
from retina_plugin.kernels import candidates
from retina_plugin.kernels.candidates import promising, steady_sigmoid


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    """Levels of these tests are small enough to be looked at in full."""
    monkeypatch.setattr(candidates, "SMALL", 128)


def both(logits, score_thr, nms_pre):
    """The plain selection from all anchors, and from the promising ones."""
    anchors = torch.arange(len(logits) * 4.0).view(-1, 4)
    (chosen,) = promising(logits[None], score_thr, nms_pre)
    scores = steady_sigmoid(logits.float())
    plain = select(scores, anchors, anchors, score_thr, nms_pre)
    fast = select(
        steady_sigmoid(logits[chosen].float()), anchors[chosen], anchors[chosen], score_thr, nms_pre
    )
    return plain, fast, len(chosen)


@pytest.mark.parametrize("nms_pre", [-1, 1, 7, 60, 1000])
@pytest.mark.parametrize("score_thr", [0.0, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("classes", [1, 5])
def test_selection_is_the_plain_one(nms_pre, score_thr, dtype, classes):
    for shift in (-5.0, 0.0, 30.0):  # at 30 all scores round to 1: only their order decides
        logits = (torch.randn(100, classes) * 2 + shift).to(dtype)
        plain, fast, _ = both(logits, score_thr, nms_pre)
        for name, value in vars(plain).items():
            assert torch.equal(getattr(fast, name), value), name


def test_equal_scores_keep_the_order_of_anchors():
    logits = torch.full((50, 3), 2.0)
    plain, fast, _ = both(logits, 0.05, 10)
    assert torch.equal(fast.anchors, plain.anchors)
    assert torch.equal(fast.labels, plain.labels)


def test_few_anchors_are_left():
    _, fast, left = both(torch.randn(5000, 20), 0.05, 100)
    assert len(fast.scores) == 100
    assert left < 120


@pytest.mark.parametrize("count", [1, 30])
def test_logit_that_is_not_a_number_is_chosen_to_be_counted(count):
    logits = torch.randn(100, 3)
    logits[:count, 1] = math.nan
    plain, fast, _ = both(logits, 0.05, 20)
    assert fast.scores.isnan().sum() == plain.scores.isnan().sum() == min(count, 20)
    assert torch.equal(fast.labels, plain.labels)


def test_images_of_a_batch_are_chosen_each_on_its_own():
    logits = torch.stack([torch.randn(100, 3), torch.full((100, 3), -9.0)])
    first, second = promising(logits, 0.05, 10)
    assert torch.equal(first, promising(logits[:1], 0.05, 10)[0])
    assert len(second) == 0


def test_small_level_is_looked_at_in_full():
    (chosen,) = promising(torch.full((1, 40, 3), -9.0), 0.05, 10)
    assert len(chosen) == 40


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
def test_score_does_not_hang_on_the_place_of_an_anchor(count):
    logits = torch.randn(count, 3)
    scores = steady_sigmoid(logits)
    torch.testing.assert_close(scores, logits.sigmoid(), rtol=1e-6, atol=0)
    assert torch.equal(steady_sigmoid(logits[count // 2 :]), scores[count // 2 :])
