"""Hinge on p_t: nothing above a threshold, the rest in proportion (section 5.1, "Hinge Loss")."""

from torch import Tensor

from ..bounds import SHARE, check_number
from ..registry import MODELS
from .base import Alpha, ClassificationLoss
from .signed_logit import balanced, signed_logits


def hinge_loss(
    logits: Tensor, targets: Tensor, threshold: float = 0.5, alpha: Alpha = None
) -> Tensor:
    """`max(0, threshold - p_t)` (..., K) of each logit.

    Args:
        logits: (..., K).
        targets: integer labels (...) in 0..K where K is background, or one-hot (..., K).
        threshold: the p_t above which an example costs nothing.
        alpha: as in `focal_loss`.
    """
    x_t, positive = signed_logits(logits, targets)
    return balanced((threshold - x_t.sigmoid()).clamp(min=0), positive, alpha)


@MODELS.register_module()
class HingeLoss(ClassificationLoss):
    """Hinge on p_t: the paper's negative result, which found no stable training with it.

    Its slope vanishes where p_t is near 0, so that an example that is entirely wrong is not
    learned from. The paper gives no threshold.

    Args:
        threshold: the p_t above which an example costs nothing, in (0, 1].
        **options: as in `ClassificationLoss`.

    Raises:
        UserError: a threshold out of its range.
    """

    def __init__(self, threshold: float = 0.5, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        check_number("HingeLoss", "threshold", threshold, SHARE)
        self.threshold = threshold

    def each(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss (M, K) of each logit."""
        return hinge_loss(pred, target, self.threshold, self.alpha)
