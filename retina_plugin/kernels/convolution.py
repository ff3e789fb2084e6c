"""Convolution and sum in one pass over a CPU's memory, and the ReLU in place; equals `plain`.

Without it the output of a convolution is written, read and written again for the sum that ends a
residual block. oneDNN adds while the output is in the cache; Winograd's form does the ReLU there
too.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import TypeVarTuple, Unpack

from .. import processor
from ..compat.torch_features import cpu_autocast_dtype, is_autocast_on, is_compiling, is_transformed
from . import winograd
from .fallback import differentiated_once

# Each a tensor or None.
Tensors = TypeVarTuple("Tensors")


class Geometry(NamedTuple):
    """How a convolution steps, in the order of PyTorch's functions."""

    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1

    @classmethod
    def of(cls, conv: nn.Module) -> "Geometry | None":
        """That of a module; None where it pads by something else than zeros, or is no Conv2d."""
        if not isinstance(conv, nn.Conv2d) or conv.padding_mode != "zeros":
            return None
        if isinstance(conv.padding, str):
            return None
        return cls(conv.stride, conv.padding, conv.dilation, conv.groups)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    residual: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """The convolution's output, plus `residual`, through a ReLU if asked for.

    Args:
        x: (N, C, H, W).
        weight: (O, C / groups, kh, kw).
        bias: (O,).
        geometry: stride, padding, dilation, groups.
        residual: of the output's shape (N, O, H', W').
        relu: whether a ReLU ends it.
    """
    return convolve_levels([x], weight, bias, geometry, residual, relu)[0]


def convolve_levels(
    levels: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    residual: Tensor | None = None,
    relu: bool = False,
) -> list[Tensor]:
    """As `convolve`, with the same weights for several maps (N, C, Hi, Wi).

    `residual` is for a single map.
    """
    weight, bias, residual, *maps = autocast(weight, bias, residual, *levels)
    if not all(_is_fast_here(x, weight) for x in maps):
        return [plain(x, weight, bias, geometry, residual, relu) for x in maps]
    return list(_Convolution.apply(weight, bias, residual, geometry, relu, *maps))


def plain(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    residual: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """As `convolve`, one operation after the other, on any device."""
    out = F.conv2d(x, weight, bias, *geometry)
    if residual is not None:
        out = out + residual
    return F.relu(out, inplace=True) if relu else out


def autocast(*tensors: Unpack[Tensors]) -> tuple[Unpack[Tensors]]:
    """The tensors in autocast's precision, where it is on for the CPU."""
    if not is_autocast_on("cpu"):
        return tensors
    if any(isinstance(t, Tensor) and t.is_cuda for t in tensors):
        return tensors
    dtype = cpu_autocast_dtype()
    lowered = (t.to(dtype) if isinstance(t, Tensor) else None for t in tensors)
    return cast("tuple[Unpack[Tensors]]", tuple(lowered))


def _is_fast_here(x: Tensor, weight: Tensor) -> bool:
    return (
        not is_compiling()
        and not is_transformed()
        and x.dtype == weight.dtype
        and joins(x.device.type, x.dtype)
        and x.numel() > 0
    )


def joins(device_type: str, dtype: torch.dtype) -> bool:
    """Whether oneDNN computes there and has kernels for the type on this processor."""
    return device_type == "cpu" and processor.onednn_computes_in(dtype)


class _Convolution(torch.autograd.Function):
    """Of several maps; saves them, the weight and, for the ReLU, the outputs."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor | None,
        residual: Tensor | None,
        geometry: Geometry,
        relu: bool,
        *maps: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.by_tiles = _is_faster_by_tiles(maps, weight, geometry)
        if ctx.by_tiles:
            added = None if residual is None else [residual]
            outs = winograd.convolution(maps, weight, bias, geometry.padding, added, relu)
        else:
            outs = [_forward(x, weight, bias, residual, geometry, relu) for x in maps]
        ctx.save_for_backward(weight, *maps, *(outs if relu else ()))
        ctx.geometry, ctx.count = geometry, len(maps)
        return tuple(outs)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *outers: Tensor) -> tuple[Tensor | None, ...]:
        weight, *saved = ctx.saved_tensors
        maps, outs = saved[: ctx.count], saved[ctx.count :]
        if outs:
            pairs = zip(outers, outs, strict=True)
            outers = tuple(torch.ops.aten.threshold_backward(*pair, 0) for pair in pairs)
        wants_weight, wants_bias, wants_residual, _, _, *wants_map = ctx.needs_input_grad
        wanted = any(wants_map), wants_weight, wants_bias
        backward = _backward_by_tiles if ctx.by_tiles else _backward_each
        of_maps, of_weight, of_bias = backward(outers, maps, weight, ctx.geometry, wanted)
        residual = outers[0] if wants_residual else None
        return of_weight, of_bias, residual, None, None, *of_maps


def _is_faster_by_tiles(maps: Sequence[Tensor], weight: Tensor, geometry: Geometry) -> bool:
    """Whether Winograd's algorithm computes it, and faster."""
    is_3x3 = weight.shape[2:] == (3, 3) and geometry == Geometry(padding=geometry.padding)
    return is_3x3 and winograd.is_faster(maps, weight, geometry.padding)


def _forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    geometry: Geometry,
    relu: bool,
) -> Tensor:
    """The sum by the operation that PyTorch's own compiler calls.

    It adds nothing to groups, and in bfloat16 nothing in the usual layout. The ReLU is a pass of
    its own: oneDNN's makes 0 of NaN, and nobody would see what went wrong before it.
    """
    stride, padding, dilation, groups = geometry
    if residual is None:
        out = F.conv2d(x, weight, bias, *geometry)
    elif groups > 1 or not _any_channels_last(x, weight):
        out = F.conv2d(x, weight, bias, *geometry).add_(residual)
    else:
        place = (padding, stride, dilation, groups)
        fused = torch.ops.mkldnn._convolution_pointwise.binary
        out = fused(x, residual, weight, bias, *place, "add", 1.0, None, [], "")
    return out.relu_() if relu else out


def flop_formulas() -> dict[Any, Any]:
    """For PyTorch's FlopCounterMode, which does not know the joined operations."""
    if not torch.backends.mkldnn.is_available():
        return {}
    return {torch.ops.mkldnn._convolution_pointwise: _flops}


def _flops(_x: Any, *others: Any, out_shape: Any, **_options: Any) -> int:
    """Of shapes: weight and bias follow the input, or residual and weight."""
    weight = others[1] if others[1] is not None and len(others[1]) == 4 else others[0]
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def _any_channels_last(*tensors: Tensor) -> bool:
    """Whether one lies so, and not as well in the usual layout, as weights of 1 x 1 do."""
    return any(
        each.is_contiguous(memory_format=torch.channels_last) and not each.is_contiguous()
        for each in tensors
    )


def _is_product(weight: Tensor, geometry: Geometry) -> bool:
    """Whether a matrix product over the cells is all there is to it."""
    return weight.shape[2:] == (1, 1) and geometry.padding == (0, 0) and geometry.groups == 1


Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]  # of input, weight and bias
ManyGradients = tuple[Sequence[Tensor | None], Tensor | None, Tensor | None]


def _backward_by_tiles(
    outers: Sequence[Tensor],
    maps: Sequence[Tensor],
    weight: Tensor,
    geometry: Geometry,
    wanted: tuple[bool, ...],
) -> ManyGradients:
    """Of all maps, weight and bias."""
    padding = geometry.padding
    of_maps: Sequence[Tensor | None] = [None] * len(maps)
    if wanted[0]:
        of_maps = winograd.gradient_of_maps(outers, weight, padding)
    of_weight = winograd.gradient_of_weight(outers, maps, padding) if wanted[1] else None
    return of_maps, of_weight, _sum(x.sum((0, 2, 3)) for x in outers) if wanted[2] else None


def _backward_each(
    outers: Sequence[Tensor],
    maps: Sequence[Tensor],
    weight: Tensor,
    geometry: Geometry,
    wanted: tuple[bool, ...],
) -> ManyGradients:
    """Of all maps, weight and bias, one map after the other."""
    backward = _backward_of_product if _is_product(weight, geometry) else _backward
    pairs = zip(outers, maps, strict=True)
    of_maps, of_weights, of_biases = zip(
        *(backward(outer, x, weight, geometry, wanted) for outer, x in pairs), strict=True
    )
    return of_maps, _sum(of_weights), _sum(of_biases)


def _sum(gradients: Iterable[Tensor | None]) -> Tensor | None:
    """None where no gradient is wanted."""
    found = [each for each in gradients if each is not None]
    return functools.reduce(torch.add, found) if found else None


def _backward_of_product(
    outer: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, ...]
) -> Gradients:
    """Of input, weight and bias; with strides twice as fast as oneDNN's convolution backward.

    That one (torch 2.13) also writes past its own memory where such a convolution steps over fewer
    than 16 channels, 8 without AVX-512, that lie channels last: a crash later, or a wrong gradient
    (uxlfoundation/oneDNN, issue 6035).
    """
    down, right = geometry.stride
    cells = _cells(outer)  # (N H' W', O)
    of_x = of_weight = None
    if wanted[0]:
        of_x = torch.zeros_like(x) if max(down, right) > 1 else None
        seen = (cells @ weight.flatten(1)).view(*_nhw(outer), -1).permute(0, 3, 1, 2)
        if of_x is None:
            of_x = seen
        else:
            of_x[:, :, ::down, ::right] = seen
    if wanted[1]:
        of_weight = (cells.t() @ _cells(x[:, :, ::down, ::right])).view_as(weight)
    return of_x, of_weight, cells.sum(0) if wanted[2] else None


def _cells(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N H W, C), without a copy where it lies channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _nhw(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[2], x.shape[3]


def _backward(
    outer: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, ...]
) -> Gradients:
    stride, padding, dilation, groups = geometry
    return torch.ops.aten.convolution_backward(
        outer,
        x,
        weight,
        [len(weight)] if wanted[2] else None,
        stride,
        padding,
        dilation,
        False,
        [0, 0],
        groups,
        wanted,
    )
