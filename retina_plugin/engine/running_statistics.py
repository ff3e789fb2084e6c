"""Running statistics of normalisation layers, kept so that they can be put back."""

from collections import defaultdict

import torch
from torch import Tensor, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors
from torch.nn.modules.batchnorm import _NormBase


class RunningStatistics:
    """What the layers of a model that train have learned of their inputs.

    Args:
        model: its layers are looked for once.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = [each for each in model.modules() if isinstance(each, _NormBase)]
        self._kinds: list[list[Tensor]] = []  # buffers of one dtype each
        self._kept: list[Tensor] = []  # (N,) each, all of a kind

    def keep(self) -> None:
        """Remember those of the layers that train now."""
        kinds = defaultdict(list)
        for layer in self._layers:
            if layer.training:
                for buffer in (layer.running_mean, layer.running_var, layer.num_batches_tracked):
                    if buffer is not None:
                        kinds[buffer.dtype].append(buffer)
        self._kinds = list(kinds.values())
        # one buffer alone would be a view
        self._kept = [_flatten_dense_tensors(buffers).clone() for buffers in self._kinds]

    def is_finite(self) -> Tensor:
        """Whether all that were kept are finite now: () bool on their device, or on the CPU."""
        verdicts = [_flatten_dense_tensors(each).isfinite().all() for each in self._kinds]
        return torch.stack(verdicts).all() if verdicts else torch.ones((), dtype=torch.bool)

    def put_back(self, where: Tensor | bool = True) -> None:
        """Set them to what was kept, where () on their device is true; nothing waits for it."""
        for buffers, kept in zip(self._kinds, self._kept, strict=True):
            now = _flatten_dense_tensors(buffers)
            chosen = torch.where(torch.as_tensor(where, device=now.device), kept, now)
            parts = _unflatten_dense_tensors(chosen, buffers)
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part)
