"""The two losses of a batch, by hand."""

import pytest
import torch
from mmdet.models.losses import QualityFocalLoss, SmoothL1Loss, VarifocalLoss
from mmdet.models.task_modules import DeltaXYWHBBoxCoder

from retina_plugin import FocalLoss, focal_loss
from retina_plugin.objective import (
    box_loss,
    classification_loss,
    positive_deltas,
    predicted_ious,
)
from retina_plugin.targets import ListedTargets

# Two images of three anchors, K = 2. Positives: anchor 1 of image 0, anchors 0 and 2 of image 1.
TARGETS = ListedTargets(
    labels=torch.tensor([[2, 1, 2], [0, 2, 1]]),
    used=torch.tensor([[True, True, False], [True, True, True]]),
    image=torch.tensor([0, 1, 1]),
    anchor=torch.tensor([1, 0, 2]),
    boxes=torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 8.0, 8.0], [2.0, 2.0, 12.0, 12.0]]),
)
NOTHING = ListedTargets(
    labels=torch.full((2, 3), 2),
    used=TARGETS.used,
    image=torch.zeros(0, dtype=torch.long),
    anchor=torch.zeros(0, dtype=torch.long),
    boxes=torch.zeros(0, 4),
)
FACTORS = torch.tensor([0.5, 0.25])
ANCHORS = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(3, 1)
CODER = DeltaXYWHBBoxCoder()


def logits():
    return torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))


def test_classification_sums_what_is_not_ignored_and_normalises_each_image():
    x = logits()
    each = focal_loss(x, TARGETS.labels).sum(-1)  # (N, R)
    expected = 0.5 * each[0, :2].sum() + 0.25 * each[1].sum()
    got = classification_loss(FocalLoss(), x, TARGETS, FACTORS, -1, None)
    torch.testing.assert_close(got, expected)


def test_pos_weight_multiplies_the_positives_only():
    x = logits()
    each = focal_loss(x, TARGETS.labels).sum(-1)
    extra = 0.5 * each[0, 1] + 0.25 * (each[1, 0] + each[1, 2])
    plain = classification_loss(FocalLoss(), x, TARGETS, FACTORS, -1, None)
    got = classification_loss(FocalLoss(), x, TARGETS, FACTORS, 3.0, None)
    torch.testing.assert_close(got, plain + 2 * extra)


@pytest.mark.parametrize("loss", [VarifocalLoss(), QualityFocalLoss()])
def test_losses_that_learn_the_iou_fall_when_the_score_meets_it(loss):
    ious = torch.tensor([0.9, 0.8, 0.7])
    met = torch.full((2, 3, 2), -8.0)
    met[TARGETS.image, TARGETS.anchor, torch.tensor([1, 0, 1])] = torch.logit(ious)
    missed = met.clone()
    missed[1, 0, 0] = -8.0
    good = classification_loss(loss, met, TARGETS, FACTORS, -1, ious)
    assert good < classification_loss(loss, missed, TARGETS, FACTORS, -1, ious)


def test_positive_deltas_are_those_of_image_anchor_and_class():
    deltas = torch.arange(2 * 3 * 8.0).view(2, 3, 8)
    agnostic = positive_deltas(deltas[..., :4], TARGETS, class_agnostic=True)
    assert agnostic.tolist() == [[8, 9, 10, 11], [24, 25, 26, 27], [40, 41, 42, 43]]
    specific = positive_deltas(deltas, TARGETS, class_agnostic=False)  # labels 1, 0, 1
    assert specific.tolist() == [[12, 13, 14, 15], [24, 25, 26, 27], [44, 45, 46, 47]]
    assert positive_deltas(deltas.bfloat16(), TARGETS, True).dtype == torch.float32


def test_box_loss_sums_smooth_l1_over_positives_and_normalises_each_image():
    wanted = CODER.encode(ANCHORS, TARGETS.boxes)
    each = torch.nn.functional.smooth_l1_loss(
        torch.zeros(3, 4), wanted, beta=1 / 9, reduction="none"
    ).sum(-1)
    expected = 0.5 * each[0] + 0.25 * (each[1] + each[2])
    loss = SmoothL1Loss(beta=1 / 9)
    got = box_loss(loss, torch.zeros(3, 4), ANCHORS, TARGETS, FACTORS, CODER, False)
    torch.testing.assert_close(got, expected)


def test_decoded_box_loss_compares_boxes():
    loss = SmoothL1Loss(beta=1.0)
    exact = CODER.encode(ANCHORS, TARGETS.boxes)
    assert box_loss(loss, exact, ANCHORS, TARGETS, FACTORS, CODER, True) < 1e-9
    # Anchors as predictions: image 0 is exact; corners of image 1 are off by 2, 2 px and
    # by 2, 2, 2, 2 px, each costing 2 - 0.5.
    got = box_loss(loss, torch.zeros(3, 4), ANCHORS, TARGETS, FACTORS, CODER, True)
    torch.testing.assert_close(got, torch.tensor(0.25 * 6 * 1.5))


def test_box_loss_without_positives_is_zero_and_differentiable():
    deltas = torch.zeros(0, 4, requires_grad=True)
    loss = box_loss(SmoothL1Loss(), deltas, ANCHORS[:0], NOTHING, FACTORS, CODER, False)
    loss.backward()
    assert loss.item() == 0


def test_predicted_iou_is_that_of_the_decoded_box():
    ious = predicted_ious(VarifocalLoss(), torch.zeros(3, 4), ANCHORS, TARGETS, CODER)
    torch.testing.assert_close(ious, torch.tensor([1.0, 0.64, 64 / 136]))
    assert predicted_ious(FocalLoss(), torch.zeros(3, 4), ANCHORS, TARGETS, CODER) is None


def test_box_code_is_rcnns_and_round_trips():
    """(dx, dy) in anchor sizes, (log w, log h): box (2, 2, 12, 22) on anchor (0, 0, 10, 10)."""
    box = torch.tensor([[2.0, 2.0, 12.0, 22.0]])
    code = CODER.encode(ANCHORS[:1], box)
    torch.testing.assert_close(code, torch.tensor([[0.2, 0.7, 0.0, torch.tensor(2.0).log()]]))
    torch.testing.assert_close(CODER.decode(ANCHORS[:1], code), box)
