"""Losses are read one iteration late, when the device has long finished them."""

from collections.abc import Callable

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from ..registry import HOOKS


@HOOKS.register_module()
class LateRuntimeInfoHook(RuntimeInfoHook):
    """MMEngine's RuntimeInfoHook, which reads every loss at once and so waits for the device.

    Here a loss is copied to the host while the next iteration is prepared, and logged with it;
    the last one of an epoch is logged with its own. On a CPU there is nothing to wait for, and
    nothing is late.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Callable[[], object]] = {}

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: object = None,  # noqa: ARG002
        outputs: dict | None = None,
    ) -> None:
        """Log the losses of the iteration before, and fetch those of this one."""
        self._publish(runner)
        self._pending = {f"train/{key}": fetch(value) for key, value in (outputs or {}).items()}
        on_device = any(isinstance(v, Tensor) and v.is_cuda for v in (outputs or {}).values())
        if not on_device or self._is_last(runner, batch_idx):
            self._publish(runner)

    def _is_last(self, runner: Runner, batch_idx: int) -> bool:
        ends_epoch = batch_idx + 1 == len(runner.train_dataloader)
        return ends_epoch or self.is_last_train_iter(runner)

    def _publish(self, runner: Runner) -> None:
        for key, read in self._pending.items():
            runner.message_hub.update_scalar(key, read())
        self._pending = {}


def fetch(value: object) -> Callable[[], object]:
    """Start copying a tensor to the host; the function that is returned gives it when it is there.

    Args:
        value: a tensor () on any device, or a number.
    """
    if not isinstance(value, Tensor) or not value.is_cuda:
        return lambda: value
    host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    host.copy_(value.detach(), non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def read() -> Tensor:
        arrived.synchronize()
        return host

    return read
