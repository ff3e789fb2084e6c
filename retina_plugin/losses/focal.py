"""Focal loss: `FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t)` (section 3.2 of the paper)."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bounds import NOT_NEGATIVE, check_number
from ..compat.torch_features import is_transformed
from ..errors import UserError
from ..kernels.focal import DTYPES, FORMS, FocalSum, focal_form
from ..nms import at_least_float32
from ..registry import MODELS
from .base import Alpha, ClassificationLoss, weights_of
from .reduction import scaled_weights
from .signed_logit import balanced, signed_logits
from .targets import check_soft_targets


def focal_loss(logits: Tensor, targets: Tensor, gamma: float = 2.0, alpha: Alpha = 0.25) -> Tensor:
    """Focal loss of each logit; `gamma=0` gives the alpha-balanced cross entropy.

    Finite in value and gradient for every finite logit. Half-precision logits
    are computed, and returned, in float32; float64 stays float64.

    Args:
        logits: (..., K).
        targets: integer labels (...) in 0..K where K is background, or
            (..., K) targets in [0, 1], into which what lies beyond is clamped.
        gamma: focusing parameter, >= 0.
        alpha: weight of the positives (1 - alpha weighs the negatives), one
            number or one a class; None weighs nothing.

    Returns:
        (..., K).
    """
    logits = at_least_float32(logits)
    if targets.dim() == logits.dim():
        weight = None if alpha is None else weights_of(alpha, logits)
        targets = _clamped(targets.to(logits), 0, 1)
        return _focal_loss_of_soft_targets(logits, targets, gamma, weight)
    x_t, positive = signed_logits(logits, targets)
    loss = -F.logsigmoid(x_t) * _modulation(torch.sigmoid(-x_t), F.logsigmoid(-x_t), gamma)
    return balanced(loss, positive, alpha)


def _clamped(values: Tensor, low: float, high: float) -> Tensor:
    """`clamp` with slope 1 at both ends, where PyTorch's own slope is 1 before 2.14 and then 0."""
    is_beyond = (values < low) | (values > high)
    return torch.where(is_beyond, values.detach().clamp(low, high), values)


def _focal_loss_of_soft_targets(
    logits: Tensor, targets: Tensor, gamma: float, alpha: Tensor | None
) -> Tensor:
    """The same for targets between 0 and 1, where 1 - p_t = p (1 - y) + (1 - p) y."""
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    ce_loss = -(targets * log_p + (1 - targets) * log_q)
    miss = logits.sigmoid() * (1 - targets) + (-logits).sigmoid() * targets
    log_miss = torch.logaddexp(log_p + _log(1 - targets), log_q + _log(targets))
    loss = ce_loss * _modulation(miss, log_miss, gamma)
    return loss if alpha is None else loss * (alpha * targets + (1 - alpha) * (1 - targets))


def _log(share: Tensor) -> Tensor:
    """The logarithm of a share; where its slope is asked for, nearly so and with one at 0 too.

    Near 0 it stays so small that the other share's part of the sum hides it.
    """
    limits = torch.finfo(share.dtype)
    return torch.log(share + limits.tiny / limits.eps if share.requires_grad else share)


def _modulation(miss: Tensor, log_miss: Tensor, gamma: float) -> Tensor:
    """`miss ** gamma`, with the slope taken from the logarithm.

    The power's own slope is infinite at 0 for gamma < 1, and the sigmoid's slope
    s (1 - s) loses its digits where s rounds to 1.
    """
    one = torch.exp(gamma * (log_miss - log_miss.detach()))
    return miss.pow(gamma).detach() * one


@MODELS.register_module()
class FocalLoss(ClassificationLoss):
    """Sigmoid focal loss with the call signature of MMDetection's losses.

    Args:
        use_sigmoid: must be True: K independent sigmoids.
        gamma: focusing parameter, >= 0. The paper's best is 2.
        alpha: weight of the positives: a number, one number a class, or None.
        reduction: `none`, `mean` or `sum`.
        loss_weight: factor on the result.
        form: how the sum over anchors with integer labels is computed: `plain`
            (`focal_loss`), a fast form of retina_plugin/kernels/focal.py, or
            `auto`, the fastest that runs here.
        activated: whether the predictions are probabilities instead of logits.
        **options: none; keys of another loss, which a config inherits, are named.

    Raises:
        UserError: for an argument out of its range, here; for labels outside
            0..K and soft targets outside [0, 1], when called (every call on the
            CPU, where looking costs no wait for a device; elsewhere, and with
            form `blocked`, the first).
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        gamma: float = 2.0,
        alpha: Alpha = 0.25,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        activated: bool = False,
        form: str = "auto",
        **options: object,
    ) -> None:
        if form not in FORMS:
            raise UserError(f"FocalLoss expects form to be one of {FORMS}, but got {form!r}.")
        super().__init__(use_sigmoid, alpha, reduction, loss_weight, **options)
        check_number("FocalLoss", "gamma", gamma, NOT_NEGATIVE)
        self.gamma = gamma
        self.activated = activated
        self.form = form
        self._targets_seen = False

    def each(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss (M, K) of each logit, or probability if `activated`; targets may be soft."""
        logits = _logits_of(pred) if self.activated else pred
        return focal_loss(logits, target, self.gamma, self.alpha)

    def reduced(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None,
        reduction: str,
        avg_factor: float | Tensor | None,
    ) -> Tensor:
        """The checked input's loss, by a fast form where there is one for it."""
        if pred.dtype == torch.float16:  # a gradient that is not yet scaled would vanish in it
            pred = pred.float()
        if self.form == "plain" or not self._can_be_summed(pred, target, weight, reduction):
            return super().reduced(pred, target, weight, reduction, avg_factor)
        form = focal_form(self.form, pred.device.type)
        weights = scaled_weights(pred, weight, reduction, avg_factor, self.loss_weight)
        alpha = _alpha_rows(self.alpha, pred.shape[-1], pred.device)
        labels = target.long().contiguous()
        return FocalSum.apply(pred.contiguous(), labels, weights, self.gamma, alpha, form)

    def _can_be_summed(
        self, pred: Tensor, target: Tensor, weight: Tensor | None, reduction: str
    ) -> bool:
        """Whether the fast forms know this input: (M, K) logits, labels, one weight an anchor."""
        return (
            type(self).each is FocalLoss.each  # a subclass's own loss has no fast form
            and reduction != "none"
            and not self.activated
            and not is_transformed()
            and pred.dim() == 2
            and target.dim() == 1
            and pred.dtype in DTYPES
            and (weight is None or (weight.shape == target.shape and not weight.requires_grad))
        )

    def check(self, pred: Tensor, target: Tensor) -> None:
        """Raise UserError unless what is given fits; soft targets are looked at as labels are."""
        super().check(pred, target)
        if target.shape == pred.shape and self._is_looked_at(target):
            check_soft_targets(target, type(self).__name__)
            self._targets_seen = True

    def check_range(self, labels: Tensor, classes: int) -> None:
        """In every call on the CPU; elsewhere, and with form `blocked`, in the first."""
        if self._is_looked_at(labels):
            super().check_range(labels, classes)
            self._targets_seen = True

    def _is_looked_at(self, target: Tensor) -> bool:
        every_call = target.device.type == "cpu" and self.form != "blocked"
        return every_call or not self._targets_seen

    def extra_repr(self) -> str:
        """Name the two numbers of the paper when the model is printed."""
        return f"gamma={self.gamma}, alpha={self.alpha}, loss_weight={self.loss_weight}"


@lru_cache(maxsize=16)
def _alpha_rows(alpha: Alpha, classes: int, device: torch.device) -> Tensor:
    """Weights (2, K) of positives and negatives."""
    with torch.inference_mode(False):
        positive = torch.tensor(1.0 if alpha is None else alpha, dtype=torch.float32, device=device)
        negative = torch.ones_like(positive) if alpha is None else 1 - positive
        return torch.stack([positive.expand(classes), negative.expand(classes)])


def _logits_of(probabilities: Tensor) -> Tensor:
    """Logits whose sigmoid is `probabilities`, finite at 0 and 1 too."""
    p = at_least_float32(probabilities)
    limits = torch.finfo(p.dtype)
    p = _clamped(p, limits.tiny, 1 - limits.eps / 2)
    return p.log() - torch.log1p(-p)
