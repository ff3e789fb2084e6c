"""Losses and gradients that are not finite never reach a weight or a running statistic."""

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

FUSED_MOMENTUM = "momentum_buffer"


class FiniteGuard:
    """Judges each update; what it finds stays on the device, so that nothing has to wait for it.

    Args:
        model: whose running statistics are put back where an iteration was not finite.
    """

    def __init__(self, model: nn.Module) -> None:
        # 1 if this iteration, or one that it accumulates with, was not finite
        self.found = torch.zeros((), device=next(model.parameters()).device)
        self.norms: dict[str, Tensor] = {}  # () of each gradient of this iteration
        self._model = model
        self._names = {id(weight): name for name, weight in model.named_parameters()}
        self._statistics: list[Tensor] = []
        self._kept: list[Tensor] = []

    def begin(self) -> None:
        """Before an iteration's forward pass: remember the statistics that it may change."""
        self._statistics = training_statistics(self._model)
        self._kept = [each.clone() for each in self._statistics]

    def see(self, loss: Tensor, optimizer: torch.optim.Optimizer, accumulates: bool) -> None:
        """Judge an iteration by its loss (), gradients and statistics, of all processes.

        Args:
            loss: the sum that was differentiated.
            optimizer: of the weights that have gradients.
            accumulates: whether they join those of the iteration before.
        """
        self.norms = self._gradient_norms(optimizer)
        values = [*self.norms.values(), *_norms(_floating(self._statistics))]
        bad = (~torch.stack([loss.detach().float(), *map(Tensor.float, values)]).isfinite()).any()
        found = bad.float()
        if get_world_size() > 1:
            all_reduce(found, op="max")
        self.found = torch.maximum(self.found, found) if accumulates else found

    def _gradient_norms(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        groups = optimizer.param_groups
        weights = [each for group in groups for each in group["params"] if each.grad is not None]
        names = [self._names.get(id(weight), "?") for weight in weights]
        norms = _norms([weight.grad for weight in weights if weight.grad is not None])
        return dict(zip(names, norms, strict=True))

    def suppresses(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether the step must be left out; where the device does that by itself, always False."""
        if not (self.found.is_cuda and optimizer.defaults.get("fused")):
            return bool(self.found)
        begin_momenta(optimizer)
        optimizer.found_inf = self.found  # type: ignore[attr-defined]
        return False

    def end(self) -> None:
        """After an iteration: put the statistics back if it was not finite."""
        for statistic, kept in zip(self._statistics, self._kept, strict=True):
            statistic.copy_(torch.where(self.found > 0, kept, statistic))


def _norms(values: list[Tensor]) -> Sequence[Tensor]:
    return torch._foreach_norm(values) if values else ()


def _floating(values: list[Tensor]) -> list[Tensor]:
    return [value for value in values if value.is_floating_point()]


def training_statistics(model: nn.Module) -> list[Tensor]:
    """Running statistics of the normalisation layers that train."""
    layers = (each for each in model.modules() if isinstance(each, _NormBase) and each.training)
    return [each for layer in layers for each in layer.buffers(recurse=False)]


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
