"""What the classification losses have in common: settings, checks and MMDetection's signature."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..bounds import FRACTION, NOT_NEGATIVE, check_number
from ..errors import UserError
from .reduction import check_reduction, reduce_loss
from .targets import are_labels, check_labels

Alpha = float | Sequence[float] | None
REPLACE = (
    "where a config inherits another loss, replace the whole of it, "
    "loss_cls=dict(_delete_=True, type=...)"
)


def weights_of(alpha: float | Sequence[float], like: Tensor) -> Tensor:
    """Alpha in the type and on the device of a tensor.

    PyTorch 2.1's `torch.func` knows no device to make a `new_tensor` on.
    """
    return torch.tensor(alpha, dtype=like.dtype, device=like.device)


class ClassificationLoss(nn.Module, ABC):
    """A loss of K sigmoids an anchor, or of a softmax over K + 1 outputs.

    Args:
        use_sigmoid: must be that of the class.
        alpha: weight of the positives: a number, one number a class, or None.
        reduction: `none`, `mean` or `sum`.
        loss_weight: factor on the result.
        **unknown: none; what stands here is refused.

    Raises:
        UserError: for an unknown argument or one out of its range, here; for labels outside 0..K,
            when called.
    """

    sigmoid = True  # whether the outputs are K sigmoids

    def __init__(
        self,
        use_sigmoid: bool = True,
        alpha: Alpha = None,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        **unknown: object,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if unknown:
            raise UserError(f"{name} knows no {' or '.join(unknown)}: {REPLACE}.")
        if use_sigmoid != self.sigmoid:
            hint = "; over a softmax of K + 1 outputs it is retina_plugin.SoftmaxFocalLoss"
            raise UserError(
                f"{name} expects use_sigmoid={self.sigmoid}, but got {use_sigmoid}"
                f"{hint if self.sigmoid else ''}: {REPLACE}."
            )
        alpha = tuple(alpha) if isinstance(alpha, list | tuple) else alpha
        numbers = alpha if isinstance(alpha, tuple) else () if alpha is None else (alpha,)
        for number in numbers:
            check_number(name, "every alpha", number, FRACTION)
        check_number(name, "loss_weight", loss_weight, NOT_NEGATIVE)
        check_reduction(reduction)
        self.use_sigmoid = use_sigmoid
        self.alpha = alpha
        self.reduction = reduction
        self.loss_weight = loss_weight

    @abstractmethod
    def each(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss (M, K) of each logit, or (M,) of each anchor under a softmax."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Loss of `pred` (M, K), or (M, K + 1) under a softmax.

        Args:
            pred: (M, K) logits.
            target: integer labels (M,) in 0..K, K is background; for sigmoids also (M, K) one-hot.
            weight: (M,); for sigmoids also (M, K) or (M * K,).
            avg_factor: divides the sum; taken as 1 where it is not positive.
            reduction_override: replaces `reduction` for this call.
        """
        self.check(pred, target)
        return self.reduced(pred, target, weight, reduction_override or self.reduction, avg_factor)

    def check(self, pred: Tensor, target: Tensor) -> None:
        """Raise UserError unless shapes, labels and the number of alphas fit."""
        name, classes = type(self).__name__, pred.shape[-1] - int(not self.sigmoid)
        if isinstance(self.alpha, Sequence) and len(self.alpha) != classes:
            raise UserError(
                f"{name} expects one alpha a class, {classes} in all, but got {len(self.alpha)}; "
                "set loss_cls.alpha to a list of that length."
            )
        if are_labels(target, pred, name):
            self.check_range(target, classes)
        elif not self.sigmoid:
            raise UserError(
                f"{name} expects integer labels of shape {tuple(pred.shape[:-1])}, but got "
                f"targets of shape {tuple(target.shape)}."
            )

    def check_range(self, labels: Tensor, classes: int) -> None:
        """Raise UserError unless all labels lie in 0..classes; the host waits for a device."""
        check_labels(labels, classes)

    def reduced(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None,
        reduction: str,
        avg_factor: float | Tensor | None,
    ) -> Tensor:
        """The checked input's loss, weighed and reduced; arguments as in `forward`."""
        loss = reduce_loss(self.each(pred, target), weight, reduction, avg_factor)
        return self.loss_weight * loss
