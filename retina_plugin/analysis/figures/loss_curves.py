"""The curves of figures 1, 5 and 6 of the paper: losses and slopes over p_t and over x_t."""

import torch
from torch import Tensor

from ...losses import cross_entropy_loss, focal_loss, focal_star_loss

FIGURE_1 = (0.0, 0.5, 1.0, 2.0, 5.0)  # gamma
# Name, gamma and, for FL*, beta: figures 5 and 6.
FIGURE_5 = (
    ("CE", 0.0, None),
    ("FL, γ = 2", 2.0, None),
    ("FL*, γ = 2, β = 1", 2.0, 1.0),
    ("FL*, γ = 4, β = 0", 4.0, 0.0),
)


def losses_over_p_t(p_t: Tensor, gamma: float) -> Tensor:
    """Focal loss (M,) without alpha of an example with p_t (M,) in (0, 1)."""
    return focal_loss(p_t.logit()[:, None], _positive(p_t), gamma, None)[:, 0]


def losses_over_x_t(x_t: Tensor, gamma: float, beta: float | None) -> Tensor:
    """FL (M,), or FL* where there is a beta, of signed logits (M,)."""
    logits, labels = x_t[:, None], _positive(x_t)
    if beta is not None:
        return focal_star_loss(logits, labels, gamma, beta)[:, 0]
    if gamma == 0:
        return cross_entropy_loss(logits, labels)[:, 0]
    return focal_loss(logits, labels, gamma, None)[:, 0]


def slopes_over_x_t(x_t: Tensor, gamma: float, beta: float | None) -> Tensor:
    """Derivative (M,) over x_t, by the formulas of appendix B with y = 1."""
    if beta is not None:
        return torch.sigmoid(gamma * x_t + beta) - 1
    p_t = x_t.sigmoid()
    return (1 - p_t) ** gamma * (gamma * p_t * p_t.log() + p_t - 1)


def _positive(like: Tensor) -> Tensor:
    return torch.zeros(len(like), dtype=torch.long)
