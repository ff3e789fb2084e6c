"""Losses reach the log, whether or not they have to be waited for."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub

from retina_plugin.engine import late_logging
from retina_plugin.engine.late_logging import LateRuntimeInfoHook, fetch


@pytest.fixture
def runner(request):
    return SimpleNamespace(
        message_hub=MessageHub(request.node.name), train_dataloader=range(3), iter=0, max_iters=6
    )


def seen(runner):
    scalars = runner.message_hub.log_scalars
    return list(scalars["train/loss"].data[0]) if "train/loss" in scalars else []


def run(runner, hook, count):
    history = []
    for i in range(count):
        runner.iter = i
        hook.after_train_iter(runner, i % 3, outputs={"loss": torch.tensor(float(i))})
        history.append(len(seen(runner)))
    return history


def test_on_the_cpu_nothing_is_late(runner):
    assert run(runner, LateRuntimeInfoHook(), 4) == [1, 2, 3, 4]
    assert seen(runner) == [0, 1, 2, 3]


def test_on_a_device_a_loss_is_logged_an_iteration_later_and_none_is_lost(runner, monkeypatch):
    """The third iteration ends an epoch of three."""

    class OnDevice(torch.Tensor):
        is_cuda = True

    monkeypatch.setattr(late_logging, "fetch", lambda value: lambda: value.item())
    hook, history = LateRuntimeInfoHook(), []
    for i in range(6):
        runner.iter = i
        loss = torch.tensor(float(i)).as_subclass(OnDevice)
        hook.after_train_iter(runner, i % 3, outputs={"loss": loss})
        history.append(len(seen(runner)))
    assert history == [0, 1, 3, 3, 4, 6]
    assert seen(runner) == [0, 1, 2, 3, 4, 5]


def test_number_is_its_own_value():
    assert fetch(3.5)() == 3.5
    assert fetch(torch.tensor(2.0))() == 2
