"""Reduction of losses in MMDetection's convention."""

import pytest
import torch
from mmdet.models.losses.utils import weight_reduce_loss

from retina_plugin.losses.reduction import check_reduction, reduce_loss

LOSS = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize(
    "weight",
    [torch.tensor([1.0, 0.5, 0.0]), torch.arange(6.0).view(3, 2), torch.arange(6.0)],
    ids=["anchor", "class", "flat"],
)
def test_weights_broadcast_over_their_axes(weight):
    full = weight.view(3, -1).expand(3, 2)
    expected = weight_reduce_loss(LOSS, full, "none")
    torch.testing.assert_close(reduce_loss(LOSS, weight, "none"), expected)
    assert reduce_loss(LOSS, weight, "sum") == expected.sum()


def test_mean_divides_by_count_or_avg_factor():
    assert reduce_loss(LOSS).item() == 3.5
    assert reduce_loss(LOSS, avg_factor=7).item() == 3.0
    assert reduce_loss(LOSS, avg_factor=torch.tensor(7)).item() == 3.0


@pytest.mark.parametrize("avg_factor", [0, -1, torch.tensor(0.0)])
def test_avg_factor_without_positives_divides_by_one(avg_factor):
    assert reduce_loss(LOSS, avg_factor=avg_factor).item() == 21.0


def test_empty_loss_is_zero_not_nan():
    assert reduce_loss(torch.zeros(0, 2)).item() == 0


def test_avg_factor_with_sum_is_an_error():
    with pytest.raises(ValueError, match="avg_factor cannot be used"):
        reduce_loss(LOSS, reduction="sum", avg_factor=1)


def test_weights_of_no_fitting_shape_are_an_error():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,\)"):
        reduce_loss(LOSS, torch.ones(2))


def test_unknown_reduction_is_an_error():
    with pytest.raises(ValueError, match="'avg'"):
        check_reduction("avg")
