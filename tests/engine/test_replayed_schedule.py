"""Schedulers that are run again are where they would be had they always run."""

import pytest
import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, ReduceOnPlateauLR

from retina_plugin.engine.replayed_schedule import can_be_replayed, replayed


def made(count=2):
    groups = [
        {"params": [torch.zeros(1, requires_grad=True)], "lr": 0.1 / (n + 1)} for n in range(count)
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    warm = LinearLR(optimizer, start_factor=0.1, by_epoch=False, begin=0, end=7)
    falls = MultiStepLR(optimizer, milestones=[2, 3], by_epoch=True)
    return optimizer, [warm, falls]


@pytest.mark.parametrize(("iterations", "epochs"), [(0, 0), (3, 0), (5, 1), (12, 2), (23, 4)])
def test_replayed_is_as_run(iterations, epochs):
    """Of 5 iterations an epoch, as MMEngine's hook steps them."""
    optimizer, schedulers = made()
    for iteration in range(1, iterations + 1):
        optimizer.step()
        schedulers[0].step()
        if iteration % 5 == 0 and iteration <= 5 * epochs:
            schedulers[1].step()
    fresh, others = made()
    before = [dict(each.state_dict()) for each in others]
    states, groups = replayed(others, iterations, epochs, 5)
    assert states == [each.state_dict() for each in schedulers]
    assert [group["lr"] for group in groups] == [group["lr"] for group in optimizer.param_groups]
    assert [each.state_dict() for each in others] == before
    assert fresh.param_groups[0]["lr"] == pytest.approx(0.01)


def test_epochs_of_another_length_are_all_counted():
    _, schedulers = made()
    states, groups = replayed(schedulers, 12, 3, 100)
    assert states[1]["_global_step"] == 3
    assert groups[0]["lr"] == pytest.approx(0.001)


def test_what_waits_for_a_metric_cannot_be_replayed():
    optimizer, schedulers = made()
    assert can_be_replayed(schedulers)
    assert can_be_replayed([CosineAnnealingLR(optimizer, T_max=3)])
    assert not can_be_replayed([*schedulers, ReduceOnPlateauLR(optimizer)])
    assert not can_be_replayed({"generator": schedulers})
    assert not can_be_replayed([])
