"""Focal loss over a softmax of K classes and background."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .reduction import check_reduction, reduce_loss
from .signed_logit import Alpha, check_alpha, check_alpha_length
from .targets import check_labels


def softmax_focal_loss(
    logits: Tensor, labels: Tensor, gamma: float = 2.0, alpha: Alpha = 0.25
) -> Tensor:
    """`-alpha_t (1 - p_t)^gamma log(p_t)` (...) of each anchor, p_t the softmax at its label.

    Args:
        logits: (..., K + 1), the last is background.
        labels: (...) in 0..K.
        gamma: focusing parameter, >= 0.
        alpha: weight of the objects (1 - alpha weighs the background, with one number a class
            1 - their mean); None weighs nothing.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    log_p = F.log_softmax(logits, dim=-1)
    log_p_t = log_p.gather(-1, labels[..., None])[..., 0]
    others = log_p.masked_fill(F.one_hot(labels, logits.shape[-1]).bool(), -torch.inf)
    log_miss = others.logsumexp(-1)  # of 1 - p_t, with all its digits
    loss = -log_p_t * torch.exp(gamma * log_miss)
    return loss if alpha is None else loss * _alpha_of_labels(alpha, logits)[labels]


def _alpha_of_labels(alpha: float | Sequence[float], logits: Tensor) -> Tensor:
    """(K + 1,)."""
    objects = logits.new_tensor(alpha).expand(logits.shape[-1] - 1)
    return torch.cat([objects, 1 - objects.mean(0, keepdim=True)])


@MODELS.register_module()
class SoftmaxFocalLoss(nn.Module):
    """The same with the call signature of MMDetection's losses; the head has K + 1 outputs.

    Section 3.2 of the paper: the extension of focal loss to several classes works well.

    Args:
        use_sigmoid: must be False.
        gamma: focusing parameter, >= 0.
        alpha: weight of the objects: a number, one number a class, or None.
        reduction: `none`, `mean` or `sum`.
        loss_weight: factor on the result.

    Raises:
        UserError: for an argument out of its range, here; for labels outside 0..K, when called.
    """

    def __init__(
        self,
        use_sigmoid: bool = False,
        gamma: float = 2.0,
        alpha: Alpha = 0.25,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if use_sigmoid or gamma < 0:
            raise UserError(
                "SoftmaxFocalLoss expects use_sigmoid=False and gamma >= 0, but got "
                f"{use_sigmoid} and {gamma}."
            )
        check_alpha(alpha, "SoftmaxFocalLoss")
        check_reduction(reduction)
        self.use_sigmoid = use_sigmoid
        self.gamma = gamma
        self.alpha = tuple(alpha) if isinstance(alpha, Sequence) else alpha
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Loss of the logits `pred` (M, K + 1) for labels (M,) in 0..K, K is background.

        Args:
            pred: (M, K + 1) logits.
            target: (M,).
            weight: (M,).
            avg_factor: divides the sum; taken as 1 where it is not positive.
            reduction_override: replaces `reduction` for this call.
        """
        classes = pred.shape[-1] - 1
        check_alpha_length(self.alpha, classes, "SoftmaxFocalLoss")
        check_labels(target, classes)
        loss = softmax_focal_loss(pred, target, self.gamma, self.alpha)
        reduction = reduction_override or self.reduction
        return self.loss_weight * reduce_loss(loss, weight, reduction, avg_factor)

    def extra_repr(self) -> str:
        """Name the two numbers of the paper when the model is printed."""
        return f"gamma={self.gamma}, alpha={self.alpha}"
