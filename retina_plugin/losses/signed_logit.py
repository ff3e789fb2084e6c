"""Losses of single logits, by the paper's `x_t = y x`: positive where the sigmoid is right."""

import torch
from torch import Tensor

from ..nms import at_least_float32
from .base import Alpha, weights_of


def signed_logits(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """`x_t` (..., K), in float32 or float64, and which elements are positive, bool.

    Args:
        logits: (..., K).
        targets: integer labels (...) in 0..K where K is background, or one-hot (..., K).
    """
    logits = at_least_float32(logits)
    if targets.dim() == logits.dim():
        positive = targets > 0
    else:
        positive = targets[..., None] == torch.arange(logits.shape[-1], device=logits.device)
    return torch.where(positive, logits, -logits), positive


def balanced(loss: Tensor, positive: Tensor, alpha: Alpha) -> Tensor:
    """A loss (..., K) weighed with alpha where `positive`, else with 1 - alpha.

    Args:
        loss: of each logit.
        positive: bool, of the same shape.
        alpha: one number or one a class; None weighs nothing.
    """
    if alpha is None:
        return loss
    weight = weights_of(alpha, loss)
    return loss * torch.where(positive, weight, 1 - weight)
