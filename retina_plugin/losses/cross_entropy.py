"""Cross entropy of sigmoids, `-alpha_t log(p_t)`: focal loss with gamma 0 (section 3.1)."""

from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .base import REPLACE, Alpha
from .focal import FocalLoss, focal_loss


def cross_entropy_loss(logits: Tensor, targets: Tensor, alpha: Alpha = None) -> Tensor:
    """Cross entropy (..., K) of each logit; arguments as in `focal_loss`."""
    return focal_loss(logits, targets, gamma=0.0, alpha=alpha)


@MODELS.register_module()
class SigmoidCrossEntropyLoss(FocalLoss):
    """CE, or with `alpha` the alpha-balanced CE of Table 1a; as fast as `FocalLoss`.

    Args:
        alpha: weight of the positives: a number, one number a class, or None for plain CE.
        gamma: must be 0.
        **options: as in `FocalLoss`.

    Raises:
        UserError: another gamma, which a config that inherits a focal loss has.
    """

    def __init__(self, alpha: Alpha = None, gamma: float = 0.0, **options: object) -> None:
        if gamma != 0:
            raise UserError(
                f"SigmoidCrossEntropyLoss expects no gamma, but got {gamma!r}: {REPLACE}."
            )
        super().__init__(gamma=0.0, alpha=alpha, **options)  # type: ignore[arg-type]
