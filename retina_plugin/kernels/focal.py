"""Sum of the focal loss over weighted anchors, with its gradient from the same pass.

Every form equals `(losses.focal.focal_loss(logits, labels, gamma, alpha) * weights[:, None]).sum()`
and needs no memory beyond the gradient: no one-hot labels, no loss of single elements.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compat.torch_features import (
    OutOfMemoryError,
    graph_may_be_kept,
    is_compiling,
    outside_graphs,
)
from ..errors import UserError
from .buffer import Buffer
from .fallback import NotAvailable, differentiated_once, warn_once
from .focal_input import FocalInput
from .native import library, pointer
from .threads import shared_out
from .triton_parts import triton_focal

DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # numbered as in focal.c
BLOCK = 48_000  # elements that `blocked` has in four buffers, 768 KB; two threads share them
NATIVE_BLOCK = 2048  # as in focal.c
FORMS = ("auto", "plain", "blocked", "native", "triton")
SPARE_RUNS = "The focal loss runs in plain PyTorch, block by block"
LARGE = 1 << 22  # bytes of a gradient for which huge pages pay, and keeping its memory
GRADIENTS = Buffer(LARGE)


@dataclass(frozen=True)
class Form:
    """One way to compute sum and gradient, and to scale the gradient afterwards."""

    run: Callable[[FocalInput, bool], tuple[Tensor, Tensor | None]]
    scale: Callable[[Tensor, Tensor], Tensor]
    in_place: bool = False
    spare: "Form | None" = None  # where the device's memory is full; None: that is an error


def focal_form(name: str, device_type: str) -> Form | None:
    """The function of a form on a device; None for the plain form, which has no sum of its own.

    Args:
        name: one of `FORMS`. `auto` is Triton's on CUDA and the compiled one on a CPU; without
            Triton or a compiler it is `blocked`, which it says once.
        device_type: `cpu`, `cuda`, ...

    Raises:
        UserError: a form asked for by name cannot run.
    """
    if name == "plain":
        return None
    wanted = name
    if name == "auto":
        wanted = {"cpu": "native", "cuda": "triton"}.get(device_type, "blocked")
    try:
        return _available(wanted, device_type, BLOCKED if name == "auto" else None)
    except NotAvailable as reason:
        if name == "auto":
            warn_once(f"{SPARE_RUNS}: {reason}.")
            return BLOCKED
        raise UserError(
            f"loss_cls.form={name!r} cannot run on {device_type}: {reason}; set form='auto'."
        ) from reason


@outside_graphs  # what has been compiled is no constant of a graph
def _available(name: str, device_type: str, spare: Form | None) -> Form:
    if name == "native":
        if device_type != "cpu":
            raise NotAvailable("compiled C code works on the CPU")
        library("focal")
        return NATIVE
    if name == "triton":
        code = triton_focal(device_type)
        return Form(code.fused, code.scale_in_place, in_place=True, spare=spare)
    return BLOCKED


class FocalSum(torch.autograd.Function):
    """Keeps the gradient of the forward pass; the backward pass only scales it, if at all."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        weights: Tensor,
        gamma: float,
        alpha: Tensor,
        form: Form,
    ) -> Tensor:
        """Sum () in float32.

        Args:
            ctx: of the backward pass.
            logits: this and what follows as in `FocalInput`.
            labels: (M,)
            weights: (M,)
            gamma: a number.
            alpha: (2, K)
            form: one of this folder's.
        """
        given = FocalInput(logits, labels, weights, gamma, alpha)
        total, gradient, form = _run(form, given, ctx.needs_input_grad[0])
        if gradient is not None:
            ctx.save_for_backward(gradient)
        ctx.form = form
        return total

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradient, times that of the sum unless it is 1."""
        (gradient,) = ctx.saved_tensors
        if ctx.form.in_place and _may_come_again():
            gradient = gradient.clone()  # the next pass through the graph needs the kept one
        return ctx.form.scale(gradient, outer), None, None, None, None, None


def _may_come_again() -> bool:
    """Whether this backward pass keeps its graph; a compiler, which cannot ask, takes it as so."""
    return is_compiling() or graph_may_be_kept()


def _run(form: Form, given: FocalInput, needs_gradient: bool) -> tuple[Tensor, Tensor | None, Form]:
    """Sum, gradient, and the form that computed them."""
    try:
        return *form.run(given, needs_gradient), form
    except OutOfMemoryError as reason:
        if form.spare is None:
            raise
        warn_once(f"{SPARE_RUNS}: {reason}.")
        return *form.spare.run(given, needs_gradient), form.spare


@outside_graphs  # PyTorch 2.4 would look for gradients of its buffers
def blocked(given: FocalInput, needs_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """Block after block of rows in buffers that stay in the cache; PyTorch alone, any device."""
    logits, labels, weights, gamma, alpha = given
    classes = logits.shape[1]
    gradient = GRADIENTS.empty_like(logits)[0] if needs_gradient else None
    rows = max(1, BLOCK // classes)
    buffers = logits.new_empty((3, min(rows, len(logits)), classes), dtype=torch.float32)
    total = logits.new_zeros((), dtype=_sum_dtype(logits.device.type))
    for first in range(0, len(logits), rows):
        block = slice(first, min(first + rows, len(logits)))
        own = buffers[:, : block.stop - first]
        loss, slope = _block(logits[block], labels[block], weights[block], gamma, alpha, own)
        total += loss
        if gradient is not None:
            gradient[block] = slope
    return total.float(), gradient


def _sum_dtype(device_type: str) -> torch.dtype:
    """Float64 where it is sure to be; Apple's GPUs, and some of Intel's, have none."""
    return torch.float64 if device_type in {"cpu", "cuda"} else torch.float32


def _block(
    logits: Tensor, labels: Tensor, weights: Tensor, gamma: float, alpha: Tensor, buffers: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum and slope of a block; z is the logit of being wrong, p = sigmoid(z) = 1 - p_t."""
    z, p, scale = buffers
    z.copy_(logits)
    torch.mul(weights[:, None], alpha[1], out=scale)
    column = labels.clamp(max=logits.shape[1] - 1)[:, None]
    positive = labels[:, None] < logits.shape[1]
    sign = 1 - 2 * positive.to(z.dtype)
    weight = torch.where(positive, weights[:, None] * alpha[0][column], scale.gather(1, column))
    z.scatter_(1, column, z.gather(1, column) * sign)
    scale.scatter_(1, column, weight)
    softplus = F.softplus(z)
    torch.sigmoid(z, out=p)
    scale.mul_(torch.pow(p, gamma, out=z))
    loss = torch.mul(scale, softplus, out=z).sum()
    q = torch.sub(p.new_ones(()), p, out=z)
    slope = p.addcmul_(softplus, q, value=gamma).mul_(scale)
    return loss, slope.scatter_(1, column, slope.gather(1, column) * sign)


@outside_graphs  # it calls what no compiler can look into
def native(given: FocalInput, needs_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """focal.c on a CPU, its blocks shared out over PyTorch's number of threads.

    Raises:
        NotAvailable: there is no compiler, or it failed.
    """
    logits, labels, weights, gamma, alpha = given
    code = library("focal")
    code.focal_loss.restype = ctypes.c_double
    gradient, is_new = GRADIENTS.empty_like(logits) if needs_gradient else (None, False)
    if gradient is not None and is_new and gradient.nbytes >= LARGE:
        code.use_huge_pages(pointer(gradient), ctypes.c_int64(gradient.nbytes))

    def part(first: int, count: int) -> float:
        return code.focal_loss(
            *map(pointer, (logits, labels, weights, alpha)),
            ctypes.c_float(gamma),
            ctypes.c_int64(logits.shape[1]),
            ctypes.c_int64(first),
            ctypes.c_int64(count),
            ctypes.c_int(DTYPES.index(logits.dtype)),
            pointer(gradient),
        )

    parts = shared_out(part, logits.numel(), NATIVE_BLOCK)
    return logits.new_tensor(sum(parts), dtype=torch.float32), gradient


def scaled(gradient: Tensor, outer: Tensor) -> Tensor:
    """The gradient times a number; itself where the number is known to be 1 without a wait.

    The number is not rounded to half precision, which would bias every element alike.
    """
    if outer.device.type != "cpu":
        return _multiplied(gradient, outer)
    factor = float(outer)
    return gradient if factor == 1 else gradient * factor


def _multiplied(gradient: Tensor, outer: Tensor) -> Tensor:
    """In the type of `outer`, rounded once, without a copy of the gradient in that type."""
    factor = outer.reshape(1, 1)  # a number's type would give way to the gradient's
    return torch.mul(gradient, factor, out=torch.empty_like(gradient))


BLOCKED = Form(blocked, scaled)
NATIVE = Form(native, scaled)
