"""How the losses of single anchors become one number, in MMDetection's convention."""

import torch
from torch import Tensor

from ..errors import UserError

REDUCTIONS = ("none", "mean", "sum")


def reduce_loss(
    loss: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Weigh a loss (M, K) and reduce it.

    Args:
        loss: (M, K).
        weight: (M,), (M, K) or (M * K,).
        reduction: `none`, `mean` or `sum`.
        avg_factor: with `mean`, divides the sum instead of the count; where it
            is not positive (no object in the batch) the divisor is 1, as the
            paper's normaliser is at least one anchor. `none` ignores it.

    Raises:
        UserError: unknown reduction; weights that fit no shape above;
            `avg_factor` together with `sum`.
    """
    check_reduction(reduction)
    if weight is not None:
        loss = loss * _shaped_like(weight, loss)
    if reduction == "none":
        return loss
    if reduction == "sum":
        _refuse_factor(avg_factor)
        return loss.sum()
    return loss.sum() / _divisor(avg_factor, loss, loss.numel())


def _refuse_factor(avg_factor: float | Tensor | None) -> None:
    if avg_factor is not None:
        raise UserError('avg_factor cannot be used with reduction="sum"; use "mean".')


def _divisor(avg_factor: float | Tensor | None, like: Tensor, count: int) -> float | Tensor:
    """What the sum is divided by; a number stays one, as a tensor it would cost a copy."""
    if isinstance(avg_factor, Tensor):
        avg_factor = avg_factor.to(like)
        return torch.where(avg_factor > 0, avg_factor, 1.0)
    divisor = count if avg_factor is None else avg_factor
    return divisor if divisor > 0 else 1.0


def scaled_weights(
    logits: Tensor,
    weight: Tensor | None,
    reduction: str,
    avg_factor: float | Tensor | None,
    loss_weight: float,
) -> Tensor:
    """Weights (M,) in float32 with which the sum of a loss is what `reduce_loss` gives.

    Args:
        logits: (M, K).
        weight: (M,), or None for 1.
        reduction: `mean` or `sum`.
        avg_factor: as in `reduce_loss`.
        loss_weight: factor on the result.
    """
    if weight is None:
        weight = logits.new_ones(len(logits), dtype=torch.float32)
    weight = weight.float() * loss_weight
    if reduction == "sum":
        _refuse_factor(avg_factor)
        return weight
    return weight / _divisor(avg_factor, weight, logits.numel())


def check_reduction(reduction: str) -> None:
    """Raise UserError unless `reduction` is one of `REDUCTIONS`."""
    if reduction not in REDUCTIONS:
        raise UserError(f"reduction must be one of {REDUCTIONS}, but got {reduction!r}.")


def _shaped_like(weight: Tensor, loss: Tensor) -> Tensor:
    if weight.shape == loss.shape:
        return weight
    if weight.shape == loss.shape[:-1]:
        return weight[..., None]
    if weight.dim() == 1 and weight.numel() == loss.numel():
        return weight.view(loss.shape)
    raise UserError(
        f"a loss of shape {tuple(loss.shape)} takes weights of that shape, of its first axes or "
        f"flattened, but got {tuple(weight.shape)}."
    )
