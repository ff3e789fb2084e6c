"""What the summed losses of an image are divided by: the number of its positive anchors.

The paper divides "by the number of anchors assigned to a ground-truth box", per
image. The other projects divide by other counts; all are here.
"""

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from .errors import UserError

NORMALISERS = ("image", "batch", "global", "ema")
# Detectron2's RetinaNet: starts at 100 positives and keeps nine tenths each step.
EMA_START = 100.0
EMA_MOMENTUM = 0.9


class Normaliser(nn.Module):
    """Factors by which each image's summed losses are multiplied.

    Args:
        kind: `image`: 1 / max(positives, 1) of each image, averaged over the
            images (the paper). `batch`: one over the sum of max(positives, 1)
            over the images of this process (MMDetection). `global`: that sum
            averaged over all processes, so that the mean gradient of several
            processes is the gradient of one. `ema`: a running mean of `batch`'s
            sum (Detectron2), the only one with a state in the checkpoint.

    Raises:
        UserError: for an unknown kind.
    """

    def __init__(self, kind: str = "image") -> None:
        super().__init__()
        if kind not in NORMALISERS:
            raise UserError(f"normaliser must be one of {NORMALISERS}, but got {kind!r}.")
        self.kind = kind
        self.running: Tensor
        if kind == "ema":
            self.register_buffer("running", torch.tensor(EMA_START))

    def forward(self, positives: Tensor) -> Tensor:
        """Factors (N,) in float32 from the number of positives (N,) of each image."""
        at_least_one = positives.clamp(min=1).float()
        if self.kind == "image":
            return 1 / (at_least_one * len(positives))
        total = at_least_one.sum()
        if self.kind == "global":
            all_reduce(total, op="mean")
        if self.kind == "ema":
            total = self._update(total)
        return (1 / total).expand(len(positives))

    def _update(self, total: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            self.running.mul_(EMA_MOMENTUM).add_(total, alpha=1 - EMA_MOMENTUM)
        return self.running.clone()
