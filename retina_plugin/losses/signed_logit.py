"""Losses of single logits, by the paper's `x_t = y x`: positive where the sigmoid is right."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import UserError
from .reduction import check_reduction, reduce_loss
from .targets import are_labels, check_labels

Alpha = float | Sequence[float] | None


def signed_logits(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """`x_t` (..., K), in float32 or float64, and which elements are positive, bool.

    Args:
        logits: (..., K).
        targets: integer labels (...) in 0..K where K is background, or one-hot (..., K).
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
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
    weight = loss.new_tensor(alpha)
    return loss * torch.where(positive, weight, 1 - weight)


def check_alpha(alpha: Alpha, name: str) -> None:
    """Raise UserError unless every alpha lies in [0, 1]."""
    numbers = alpha if isinstance(alpha, Sequence) else [] if alpha is None else [alpha]
    if any(not 0 <= number <= 1 for number in numbers):
        raise UserError(f"{name} expects every alpha in [0, 1], but got {alpha}.")


def check_alpha_length(alpha: Alpha, classes: int, name: str) -> None:
    """Raise UserError unless there is one alpha, or one a class."""
    if isinstance(alpha, Sequence) and len(alpha) != classes:
        raise UserError(
            f"{name} expects one alpha a class, {classes} in all, but got {len(alpha)}; set "
            "loss_cls.alpha to a list of that length."
        )


class SignedLogitLoss(nn.Module, ABC):
    """What such losses have in common; takes the arguments of MMDetection's losses.

    Args:
        use_sigmoid: must be True: K independent sigmoids.
        alpha: weight of the positives: a number, one number a class, or None.
        reduction: `none`, `mean` or `sum`.
        loss_weight: factor on the result.

    Raises:
        UserError: for an argument out of its range, here; for labels outside 0..K, when called.
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        alpha: Alpha = None,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not use_sigmoid:
            raise UserError(f"{name} expects use_sigmoid=True, but got False.")
        check_alpha(alpha, name)
        check_reduction(reduction)
        self.use_sigmoid = use_sigmoid
        self.alpha = tuple(alpha) if isinstance(alpha, Sequence) else alpha
        self.reduction = reduction
        self.loss_weight = loss_weight

    @abstractmethod
    def each(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss (M, K) of each logit."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Loss of the logits `pred` (M, K) for labels (M,) or one-hot targets (M, K).

        Args:
            pred: (M, K) logits.
            target: integer labels (M,) in 0..K, K is background; or one-hot (M, K).
            weight: (M,), (M, K) or (M * K,).
            avg_factor: divides the sum; taken as 1 where it is not positive.
            reduction_override: replaces `reduction` for this call.
        """
        name = type(self).__name__
        check_alpha_length(self.alpha, pred.shape[-1], name)
        if are_labels(target, pred, name):
            check_labels(target, pred.shape[-1])
        loss = reduce_loss(
            self.each(pred, target), weight, reduction_override or self.reduction, avg_factor
        )
        return self.loss_weight * loss
