"""Focal loss over a softmax of K classes and background."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bounds import NOT_NEGATIVE, check_number
from ..nms import at_least_float32
from ..registry import MODELS
from .base import Alpha, ClassificationLoss, weights_of


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
    logits = at_least_float32(logits)
    log_p = F.log_softmax(logits, dim=-1)
    log_p_t = log_p.gather(-1, labels[..., None])[..., 0]
    others = log_p.masked_fill(F.one_hot(labels, logits.shape[-1]).bool(), -torch.inf)
    log_miss = others.logsumexp(-1)  # of 1 - p_t, with all its digits
    loss = -log_p_t * torch.exp(gamma * log_miss)
    return loss if alpha is None else loss * _alpha_of_labels(alpha, logits)[labels]


def _alpha_of_labels(alpha: float | Sequence[float], logits: Tensor) -> Tensor:
    """(K + 1,)."""
    objects = weights_of(alpha, logits).expand(logits.shape[-1] - 1)
    return torch.cat([objects, 1 - objects.mean(0, keepdim=True)])


@MODELS.register_module()
class SoftmaxFocalLoss(ClassificationLoss):
    """The same with the call signature of MMDetection's losses; the head has K + 1 outputs.

    Section 3 of the paper, footnote 1: the extension of focal loss to several classes works well.

    Args:
        use_sigmoid: must be False.
        gamma: focusing parameter, >= 0.
        alpha: weight of the objects: a number, one number a class, or None.
        **options: as in `ClassificationLoss`.

    Raises:
        UserError: gamma is below 0, or no number.
    """

    sigmoid = False

    def __init__(
        self,
        use_sigmoid: bool = False,
        gamma: float = 2.0,
        alpha: Alpha = 0.25,
        **options: object,
    ) -> None:
        super().__init__(use_sigmoid, alpha, **options)  # type: ignore[arg-type]
        check_number("SoftmaxFocalLoss", "gamma", gamma, NOT_NEGATIVE)
        self.gamma = gamma

    def each(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss (M,) of each anchor."""
        return softmax_focal_loss(pred, target, self.gamma, self.alpha)

    def extra_repr(self) -> str:
        """Name the two numbers of the paper when the model is printed."""
        return f"gamma={self.gamma}, alpha={self.alpha}"
