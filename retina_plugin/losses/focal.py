"""Focal loss: `FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t)` (section 3.2 of the paper)."""

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..kernels.focal import DTYPES, FORMS, FocalSum, focal_form
from ..registry import MODELS
from .reduction import check_reduction, reduce_loss, scaled_weights
from .signed_logit import Alpha, balanced, check_alpha, check_alpha_length, signed_logits
from .targets import are_labels, check_labels


def focal_loss(logits: Tensor, targets: Tensor, gamma: float = 2.0, alpha: Alpha = 0.25) -> Tensor:
    """Focal loss of each logit; `gamma=0` gives the alpha-balanced cross entropy.

    Finite in value and gradient for every finite logit. Half-precision logits
    are computed, and returned, in float32; float64 stays float64.

    Args:
        logits: (..., K).
        targets: integer labels (...) in 0..K where K is background, or
            (..., K) targets in [0, 1].
        gamma: focusing parameter, >= 0.
        alpha: weight of the positives (1 - alpha weighs the negatives), one
            number or one a class; None weighs nothing.

    Returns:
        (..., K).
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if targets.dim() == logits.dim():
        weight = None if alpha is None else logits.new_tensor(alpha)
        return _focal_loss_of_soft_targets(logits, targets.to(logits), gamma, weight)
    x_t, positive = signed_logits(logits, targets)
    loss = -F.logsigmoid(x_t) * _modulation(torch.sigmoid(-x_t), F.logsigmoid(-x_t), gamma)
    return balanced(loss, positive, alpha)


def _focal_loss_of_soft_targets(
    logits: Tensor, targets: Tensor, gamma: float, alpha: Tensor | None
) -> Tensor:
    """The same for targets between 0 and 1, where 1 - p_t = p (1 - y) + (1 - p) y."""
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    ce_loss = -(targets * log_p + (1 - targets) * log_q)
    miss = logits.sigmoid() * (1 - targets) + (-logits).sigmoid() * targets
    log_miss = torch.logaddexp(log_p + torch.log1p(-targets), log_q + targets.log())
    loss = ce_loss * _modulation(miss, log_miss, gamma)
    return loss if alpha is None else loss * (alpha * targets + (1 - alpha) * (1 - targets))


def _modulation(miss: Tensor, log_miss: Tensor, gamma: float) -> Tensor:
    """`miss ** gamma`, with the slope taken from the logarithm.

    The power's own slope is infinite at 0 for gamma < 1, and the sigmoid's slope
    s (1 - s) loses its digits where s rounds to 1.
    """
    one = torch.exp(gamma * (log_miss - log_miss.detach()))
    return miss.pow(gamma).detach() * one


@MODELS.register_module()
class FocalLoss(nn.Module):
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

    Raises:
        UserError: for an argument out of its range, here; for labels outside
            0..K, when called (every call on the CPU, where looking costs no
            wait for a device; elsewhere, and with form `blocked`, the first).
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
    ) -> None:
        super().__init__()
        _check_arguments(use_sigmoid, gamma, alpha, form)
        check_reduction(reduction)
        self.use_sigmoid = use_sigmoid
        self.gamma = gamma
        self.alpha = tuple(alpha) if isinstance(alpha, Sequence) else alpha
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.activated = activated
        self.form = form
        self._labels_seen = False

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Loss of `pred` (M, K) for labels (M,) or targets (M, K).

        Args:
            pred: (M, K) logits; probabilities if `activated`.
            target: integer labels (M,) in 0..K, K is background; or (M, K)
                one-hot or soft targets.
            weight: (M,), (M, K) or (M * K,).
            avg_factor: divides the sum; taken as 1 where it is not positive.
            reduction_override: replaces `reduction` for this call.
        """
        self._check_target(pred, target)
        reduction = reduction_override or self.reduction
        if self.form != "plain" and self._can_be_summed(pred, target, weight, reduction):
            form = focal_form(self.form, pred.device.type)
            weights = scaled_weights(pred, weight, reduction, avg_factor, self.loss_weight)
            alpha = _alpha_rows(self.alpha, pred.shape[-1], pred.device)
            return FocalSum.apply(pred.contiguous(), target, weights, self.gamma, alpha, form)
        logits = _logits_of(pred) if self.activated else pred
        loss = focal_loss(logits, target, self.gamma, self.alpha)
        return self.loss_weight * reduce_loss(loss, weight, reduction, avg_factor)

    def _can_be_summed(
        self, pred: Tensor, target: Tensor, weight: Tensor | None, reduction: str
    ) -> bool:
        """Whether the fast forms know this input: (M, K) logits, labels, one weight an anchor."""
        return (
            reduction != "none"
            and not self.activated
            and pred.dim() == 2
            and target.dim() == 1
            and pred.dtype in DTYPES
            and (weight is None or (weight.shape == target.shape and not weight.requires_grad))
        )

    def _check_target(self, pred: Tensor, target: Tensor) -> None:
        check_alpha_length(self.alpha, pred.shape[-1], type(self).__name__)
        if not are_labels(target, pred, type(self).__name__):
            return
        every_call = target.device.type == "cpu" and self.form != "blocked"
        if every_call or not self._labels_seen:
            check_labels(target, pred.shape[-1])
            self._labels_seen = True

    def extra_repr(self) -> str:
        """Name the two numbers of the paper when the model is printed."""
        return f"gamma={self.gamma}, alpha={self.alpha}, loss_weight={self.loss_weight}"


@lru_cache(maxsize=16)
def _alpha_rows(alpha: Alpha, classes: int, device: torch.device) -> Tensor:
    """Weights (2, K) of positives and negatives."""
    with torch.inference_mode(False):
        positive = torch.tensor(1.0 if alpha is None else alpha, device=device)
        negative = torch.ones_like(positive) if alpha is None else 1 - positive
        return torch.stack([positive.expand(classes), negative.expand(classes)])


def _check_arguments(use_sigmoid: bool, gamma: float, alpha: Alpha, form: str) -> None:
    if form not in FORMS:
        raise UserError(f"FocalLoss expects form to be one of {FORMS}, but got {form!r}.")
    if not use_sigmoid:
        raise UserError(
            "FocalLoss expects use_sigmoid=True, but got False; over a softmax of K + 1 outputs "
            "it is retina_plugin.SoftmaxFocalLoss."
        )
    if gamma < 0:
        raise UserError(f"FocalLoss expects gamma >= 0, but got {gamma}.")
    check_alpha(alpha, "FocalLoss")


def _logits_of(probabilities: Tensor) -> Tensor:
    """Logits whose sigmoid is `probabilities`, finite at 0 and 1 too."""
    p = probabilities if probabilities.dtype == torch.float64 else probabilities.float()
    limits = torch.finfo(p.dtype)
    p = p.clamp(limits.tiny, 1 - limits.eps / 2)
    return p.log() - torch.log1p(-p)
