"""Losses and gradients that are not finite never reach a weight or a running statistic."""

from typing import NamedTuple

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

from .running_statistics import RunningStatistics

FUSED_MOMENTUM = "momentum_buffer"


class Norms(NamedTuple):
    """L2 norms of gradients, infinite where the sum of squares is."""

    names: list[str]
    values: Tensor  # (W,)


NO_NORMS = Norms([], torch.zeros(0))


class FiniteGuard:
    """Judges each update; what it finds stays on the device, so that nothing has to wait for it.

    Args:
        model: whose running statistics are put back where an iteration was not finite.
    """

    def __init__(self, model: nn.Module) -> None:
        # 1 if this iteration, or one that it accumulates with, was not finite
        self.found = torch.zeros((), device=next(model.parameters()).device)
        self.is_first = torch.zeros_like(self.found)  # 1 in the first of them that was not
        self.norms = NO_NORMS  # of this iteration
        self._weights = list(model.named_parameters())
        self._statistics = RunningStatistics(model)

    def begin(self) -> None:
        """Before an iteration's forward pass: remember the statistics that it may change."""
        self._statistics.keep()

    def see(self, loss: Tensor, accumulates: bool) -> None:
        """Judge an iteration by its loss (), gradients and statistics, of all processes.

        Args:
            loss: the sum that was differentiated.
            accumulates: whether they join those of the iteration before.
        """
        self.norms = self._gradient_norms()
        is_finite = self.norms.values.isfinite().all() & loss.detach().isfinite()
        found = (~(is_finite & self._statistics.is_finite().to(is_finite.device))).float()
        if get_world_size() > 1:
            all_reduce(found, op="max")
        if accumulates:  # with one that was not finite, gradients are spoilt already
            before = self.found
            self.found = torch.maximum(before, found)
            self.is_first = self.found - before
        else:
            self.found = self.is_first = found

    def _gradient_norms(self) -> Norms:
        found = [(name, weight.grad) for name, weight in self._weights]
        gradients = [gradient for _, gradient in found if gradient is not None]
        names = [name for name, gradient in found if gradient is not None]
        return Norms(names, _norms(gradients)) if gradients else NO_NORMS

    def suppresses(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether the step must be left out; where the device does that by itself, always False."""
        if not (self.found.is_cuda and is_fused(optimizer)):
            return bool(self.found)
        begin_momenta(optimizer)
        optimizer.found_inf = self.found  # type: ignore[attr-defined]
        return False

    def end(self) -> None:
        """After an iteration: put the statistics back if it was not finite."""
        if self.found.is_cuda or self.found:
            self._statistics.put_back(self.found > 0)


def is_fused(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it steps by one kernel; its groups say so, which a checkpoint may change."""
    return any(group.get("fused") for group in optimizer.param_groups)


def _norms(values: list[Tensor]) -> Tensor:
    """Of each tensor: (W,). A CPU reads them at the speed of memory, twice that of torch's norm."""
    if values[0].is_cuda:
        return torch.stack(torch._foreach_norm(values))
    flat = [_in_memory_order(value) for value in values]
    return torch.stack([torch.dot(each, each) for each in flat]).sqrt()


def _in_memory_order(value: Tensor) -> Tensor:
    """All elements (N,) in float32 or above, a view where they lie without gaps."""
    if value.is_contiguous():
        flat = value.view(-1)
    elif value.is_contiguous(memory_format=torch.channels_last):
        flat = value.as_strided((value.numel(),), (1,))
    else:
        flat = value.reshape(-1)
    return flat.float() if flat.dtype in (torch.bfloat16, torch.float16) else flat


def begin_momenta(optimizer: torch.optim.Optimizer) -> None:
    """Give SGD zeros as its first momenta, which make the same first step.

    A fused first step that is suppressed leaves them as the memory was.
    """
    for group in optimizer.param_groups:
        if not group.get("momentum") or group.get("dampening"):
            continue
        for weight in group["params"]:
            if weight.grad is not None and not optimizer.state[weight]:
                optimizer.state[weight][FUSED_MOMENTUM] = torch.zeros_like(weight)
