"""What classification losses are told."""

import pytest
import torch
from mmdet.models.losses import FocalLoss, QualityFocalLoss, VarifocalLoss

from retina_plugin.losses.targets import (
    check_labels,
    check_soft_targets,
    iou_targets,
    iou_weights,
    needs_iou,
)

LABELS = torch.tensor([1, 2, 0])  # K = 2: positive, background, positive
IOUS = torch.tensor([0.7, 0.0, 0.4])


def test_labels_up_to_background_pass():
    check_labels(torch.tensor([0, 1, 2]), 2)
    check_labels(torch.zeros(0, dtype=torch.long), 2)


@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range_is_named(label):
    with pytest.raises(ValueError, match=rf"0\.\.1, or be 2 for background, but got {label}"):
        check_labels(torch.tensor([0, label]), 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_soft_targets_of_any_type_pass_up_to_rounding(dtype):
    check_soft_targets(torch.tensor([[0, 1]]).to(dtype), "FocalLoss")
    check_soft_targets(torch.zeros(0, 2).to(dtype), "FocalLoss")
    if dtype.is_floating_point:
        eps = torch.finfo(dtype).eps
        check_soft_targets(torch.tensor([-4 * eps, 1 + 4 * eps]).to(dtype), "FocalLoss")
        check_soft_targets(torch.tensor([torch.nan]).to(dtype), "FocalLoss")


@pytest.mark.parametrize("value", [-0.01, 1.01, float("inf")])
def test_soft_target_out_of_range_is_named(value):
    with pytest.raises(ValueError, match=rf"FocalLoss expects .* but got {value};"):
        check_soft_targets(torch.tensor([[0.5, value]]), "FocalLoss")


def test_only_varifocal_and_quality_focal_learn_the_iou():
    assert needs_iou(VarifocalLoss())
    assert needs_iou(QualityFocalLoss())
    assert not needs_iou(FocalLoss())


def test_varifocal_target_is_the_iou_at_the_label():
    got = iou_targets(VarifocalLoss(), LABELS, IOUS, 2)
    torch.testing.assert_close(got, torch.tensor([[0.0, 0.7], [0.0, 0.0], [0.4, 0.0]]))
    assert iou_weights(VarifocalLoss(), IOUS).shape == (3, 1)


def test_quality_focal_target_is_label_and_iou():
    labels, ious = iou_targets(QualityFocalLoss(), LABELS, IOUS, 2)
    assert labels is LABELS
    assert ious is IOUS
    assert iou_weights(QualityFocalLoss(), IOUS).shape == (3,)
