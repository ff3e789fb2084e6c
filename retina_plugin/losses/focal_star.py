"""FL*, another loss of the same shape: `-log(sigmoid(gamma x_t + beta)) / gamma` (appendix A)."""

import torch.nn.functional as F
from torch import Tensor

from ..bounds import FINITE, POSITIVE, check_number
from ..registry import MODELS
from .base import Alpha, ClassificationLoss
from .signed_logit import balanced, signed_logits


def focal_star_loss(
    logits: Tensor,
    targets: Tensor,
    gamma: float = 2.0,
    beta: float = 1.0,
    alpha: Alpha = None,
) -> Tensor:
    """FL* of each logit, finite in value and gradient for every finite logit.

    Args:
        logits: (..., K).
        targets: integer labels (...) in 0..K where K is background, or one-hot (..., K).
        gamma: steepness, > 0. With `beta` the paper tried (2, 1) and (4, 0).
        beta: shift.
        alpha: as in `focal_loss`; the paper's FL* has none.

    Returns:
        (..., K).
    """
    x_t, positive = signed_logits(logits, targets)
    return balanced(-F.logsigmoid(gamma * x_t + beta) / gamma, positive, alpha)


@MODELS.register_module()
class FocalStarLoss(ClassificationLoss):
    """FL* with the call signature of MMDetection's losses.

    Args:
        gamma: steepness, > 0.
        beta: shift.
        **options: as in `ClassificationLoss`.

    Raises:
        UserError: gamma is not above 0, or beta no number.
    """

    def __init__(self, gamma: float = 2.0, beta: float = 1.0, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        check_number("FocalStarLoss", "gamma", gamma, POSITIVE)
        check_number("FocalStarLoss", "beta", beta, FINITE)
        self.gamma, self.beta = gamma, beta

    def each(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss (M, K) of each logit."""
        return focal_star_loss(pred, target, self.gamma, self.beta, self.alpha)

    def extra_repr(self) -> str:
        """Name the numbers of the paper when the model is printed."""
        return f"gamma={self.gamma}, beta={self.beta}, alpha={self.alpha}"
