"""Stand-ins for mmcv's sigmoid focal loss operators, which MMDetection calls on CUDA tensors.

x are (N, K) logits, t are (N,) labels with K for background, p = sigmoid(x). With y = 1 for the
class of the label and 0 elsewhere, p_t = p or 1 - p and alpha_t = alpha or 1 - alpha:
FL = -alpha_t (1 - p_t)^gamma log(p_t). mmcv's kernels round log(p_t) up to that of the smallest
float32 at |x| > 87; here it stays exact.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..nms import at_least_float32


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write FL of `input` (N, K) and `target` (N,) into `output` (N, K).

    `weight` is a (K,) factor by the class of the label, or empty; background has no factor in it.
    """
    sign, alpha_t = _signs(input, target, alpha)
    z = sign * at_least_float32(input)
    loss = -alpha_t * torch.sigmoid(-z) ** gamma * logsigmoid(z)
    output.copy_(_weighted(loss, weight, target))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write dFL/dx into `grad_input` (N, K); the other arguments are those of the forward."""
    sign, alpha_t = _signs(input, target, alpha)
    z = sign * at_least_float32(input)
    p_t, miss = torch.sigmoid(z), torch.sigmoid(-z)
    slope = miss**gamma * (gamma * p_t * logsigmoid(z) - miss)
    grad_input.copy_(_weighted(sign * alpha_t * slope, weight, target))


def _signs(input: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """(N, K): 1 and alpha at the class of the label, -1 and 1 - alpha elsewhere."""
    positive = target[:, None] == torch.arange(input.size(1), device=input.device)
    sign = positive.to(torch.float32) * 2 - 1
    return sign, torch.where(positive, alpha, 1 - alpha)


def _weighted(values: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    return values * weight[target][:, None] if weight.numel() else values
