"""The focal loss and its gradient in one Triton kernel; equals `focal.blocked`."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .focal_input import FocalInput

BLOCK = 1024


def fused(given: FocalInput, needs_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """Sum () and gradient (M, K), as every form in focal.py; nothing waits for the device."""
    logits, labels, weights, gamma, alpha = given
    gradient = torch.empty_like(logits) if needs_gradient else None
    programs = triton.cdiv(logits.numel(), BLOCK)
    sums = torch.empty(programs, dtype=torch.float32, device=logits.device)
    whole = int(gamma)
    with torch.cuda.device_of(logits):  # Triton launches on the current device
        _focal_kernel[(programs,)](
            logits,
            labels,
            weights,
            alpha,
            sums,
            logits if gradient is None else gradient,
            logits.numel(),
            gamma,
            classes=logits.shape[1],
            whole=whole if gamma == whole and whole <= 5 else -1,
            needs_gradient=needs_gradient,
            block=BLOCK,
        )
    return sums.sum(), gradient


def scale_in_place(gradient: Tensor, outer: Tensor) -> Tensor:
    """Multiply by a number that lies on the device; where it is 1 nothing is read or written."""
    programs = triton.cdiv(gradient.numel(), BLOCK)
    with torch.cuda.device_of(gradient):
        _scale_kernel[(programs,)](gradient, outer, gradient.numel(), block=BLOCK)
    return gradient


@triton.jit
def _focal_kernel(
    logits,
    labels,
    weights,
    alpha,
    sums,
    gradient,
    count,
    gamma,
    classes: tl.constexpr,
    whole: tl.constexpr,
    needs_gradient: tl.constexpr,
    block: tl.constexpr,
):
    """Z is the logit of being wrong, p = sigmoid(z) = 1 - p_t."""
    program = tl.program_id(0).to(tl.int64)
    at = program * block + tl.arange(0, block)
    inside = at < count
    row, column = at // classes, at % classes
    positive = tl.load(labels + row, mask=inside, other=classes) == column
    x = tl.load(logits + at, mask=inside, other=0).to(tl.float32)
    scale = tl.load(weights + row, mask=inside, other=0)
    scale *= tl.load(alpha + tl.where(positive, column, column + classes), mask=inside, other=0)
    z = tl.where(positive, -x, x)
    e = tl.exp(-tl.abs(z))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    log1p_e = _log_ratio(e / (2 + e))
    p, q = tl.where(z >= 0, larger, smaller), tl.where(z >= 0, smaller, larger)
    softplus = tl.maximum(z, 0) + log1p_e
    if whole < 0:
        scale *= tl.exp(gamma * (tl.minimum(z, 0) - log1p_e))
    for _ in tl.static_range(0, whole):
        scale *= p
    tl.store(sums + program, tl.sum(scale * softplus, axis=0))
    if needs_gradient:
        slope = scale * (gamma * q * softplus + p)
        slope = tl.where(positive, -slope, slope)
        tl.store(gradient + at, slope.to(gradient.dtype.element_ty), mask=inside)


@triton.jit
def _log_ratio(s):
    """log((1 + s) / (1 - s)) for 0 <= s <= 1/3, exact where 1 + s rounds to 1 as well."""
    t = s * s
    y = t / 15 + 1 / 13
    y = y * t + 1 / 11
    y = y * t + 1 / 9
    y = y * t + 1 / 7
    y = y * t + 1 / 5
    y = y * t + 1 / 3
    return 2 * (s + s * t * y)


@triton.jit
def _scale_kernel(gradient, outer, count, block: tl.constexpr):
    factor = tl.load(outer).to(tl.float32)
    if factor != 1:
        at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
        value = tl.load(gradient + at, mask=at < count, other=0).to(tl.float32) * factor
        tl.store(gradient + at, value.to(gradient.dtype.element_ty), mask=at < count)
