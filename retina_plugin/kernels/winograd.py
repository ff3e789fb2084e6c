"""A 3x3 convolution in float32 on a CPU, with a quarter of the products of the direct form.

Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308). Tiles of 6x6 inputs and
the weights are transformed (winograd.c), multiplied as 36 matrices, and transformed back to 4x4
outputs. Every function takes several maps of the same weights, such as the levels of a pyramid:
their tiles share the matrices.

Letters: N images, C channels in, O channels out, T tiles.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from ..compat.torch_features import is_compiling
from .fallback import NotAvailable, warn_once
from .native import library, pointer
from .threads import shared_out

TILE = 4  # cells of output, in each direction
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity: as in winograd.c
SCRATCH = 16 << 20  # bytes of the transformed tiles and of their products at a time
# Time for a pair of channels, in units of a tile's products; measured on AVX2, one thread.
TRANSFORM, WEIGHTS, DIRECT = 68, 38, 0.28
WORTH = 0.85  # of the time of the direct convolution

Maps = Sequence[Tensor]


class Map(ctypes.Structure):
    """`Map` of winograd.c."""

    _fields_ = [  # noqa: RUF012
        (name, ctypes.c_int64)
        for name in (
            *("height", "width", "channels", "image_step", "row_step", "column_step"),
            *("top", "left", "rows", "columns"),
        )
    ]


class Piece(NamedTuple):
    """Some tiles of a map."""

    source: int  # number of the map
    first: int
    tiles: int


_wanted = ContextVar("winograd", default=False)


@contextmanager
def wanted(is_wanted: bool) -> Iterator[None]:
    """Whether `convolve` may take this form, which rounds in another way, in this context."""
    token = _wanted.set(is_wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_wanted() -> bool:
    """Whether `convolve` may take this form here; PyTorch's compiler joins convolutions itself."""
    return not is_compiling() and _wanted.get()


def is_faster(maps: Maps, weight: Tensor, padding: tuple[int, ...]) -> bool:
    """Whether this is wanted, can run, and beats oneDNN's convolution, which multiplies directly.

    Args:
        maps: (N, C, Hi, Wi) each.
        weight: (O, C, 3, 3).
        padding: rows and columns of zeros.
    """
    if not is_wanted() or max(padding) > 2 or maps[0].dtype != torch.float32:
        return False
    sizes = [_output_size(each, padding) for each in maps]
    if min(min(size) for size in sizes) < 1:
        return False
    tiles = sum(_tiles(len(x), size) for x, size in zip(maps, sizes, strict=True))
    cells = sum(len(x) * size[0] * size[1] for x, size in zip(maps, sizes, strict=True))
    outer, inner = weight.shape[:2]
    time = tiles * (1 + TRANSFORM * (1 / outer + 1 / inner)) + WEIGHTS
    return time < WORTH * DIRECT * cells and is_available()


def is_available() -> bool:
    """Whether winograd.c can be compiled, or is; if not, warn once with the reason."""
    try:
        library("winograd")
    except NotAvailable as reason:
        warn_once(f"3x3 convolutions in float32 are multiplied directly: {reason}.")
        return False
    return True


def convolution(
    maps: Maps,
    weight: Tensor,
    bias: Tensor | None,
    padding: tuple[int, ...],
    residuals: Sequence[Tensor | None] | None = None,
    relu: bool = False,
) -> list[Tensor]:
    """Outputs (N, O, H', W') of the maps (N, C, H, W), channels last.

    Args:
        maps: float32.
        weight: (O, C, 3, 3).
        bias: (O,).
        padding: rows and columns of zeros.
        residuals: of the outputs' shapes, added before the ReLU.
        relu: whether a ReLU ends it.
    """
    kernels = transformed(weight).permute(1, 2, 0)  # (36, C, O)
    return _convolution(maps, kernels, bias, padding, residuals, relu)


def gradient_of_maps(outers: Maps, weight: Tensor, padding: tuple[int, ...]) -> list[Tensor]:
    """Gradients (N, C, H, W) of the maps, from those of the outputs (N, O, H', W')."""
    kernels = transformed(weight, turned=True).transpose(0, 1)  # (36, O, C)
    return _convolution(outers, kernels, None, (2 - padding[0], 2 - padding[1]))


def gradient_of_weight(outers: Maps, maps: Maps, padding: tuple[int, ...]) -> Tensor:
    """Gradient (O, C, 3, 3) of the weight, channels last."""
    outers, maps = _channels_last(outers), _channels_last(maps)
    sizes = [(each.shape[2], each.shape[3]) for each in outers]
    inputs = [_map_of(x, size, padding) for x, size in zip(maps, sizes, strict=True)]
    slopes = [_map_of(x, size, (0, 0)) for x, size in zip(outers, sizes, strict=True)]
    inner, outer = maps[0].shape[1], outers[0].shape[1]
    zeros = maps[0].new_zeros(max(inner, outer))
    total = maps[0].new_zeros(36, outer, inner)
    code = library("winograd")
    counts = [_tiles(len(x), size) for x, size in zip(outers, sizes, strict=True)]
    for pieces in _portions(counts, inner + outer):
        tiles = _transform(code.winograd_input, pieces, inputs, maps, zeros)
        slope = _transform(code.winograd_outer, pieces, slopes, outers, zeros)
        total.baddbmm_(slope.transpose(1, 2), tiles)
    of_taps = _taps().t() @ total.flatten(1)  # (9, O C)
    gradient = of_taps.view(3, 3, outer, inner).permute(2, 3, 0, 1)
    return gradient.contiguous(memory_format=torch.channels_last)


def transformed(weight: Tensor, turned: bool = False) -> Tensor:
    """(O, 36, C) of a weight (O, C, 3, 3), turned by 180 degrees for the gradient of the input."""
    taps = weight.permute(0, 2, 3, 1).reshape(len(weight), 9, -1)
    return _taps(turned) @ taps


@cache
@torch.inference_mode(False)  # it outlives the call that made it
def _taps(turned: bool = False) -> Tensor:
    """Values (36, 9) of a kernel at each pair of points, from its taps.

    Row p of one direction is (1, p, p^2) / prod over the other points q of (p - q).
    """
    points = torch.tensor(POINTS, dtype=torch.float64, device="cpu")
    others = (points[:, None] - points).fill_diagonal_(1).prod(1)
    line = torch.stack([points**power for power in range(3)], dim=1) / others[:, None]
    line = torch.cat([line, line.new_tensor([[0, 0, 1]])])
    both = torch.kron(line, line)
    return (both.flip(1) if turned else both).float()


def _convolution(
    maps: Maps,
    kernels: Tensor,
    bias: Tensor | None,
    padding: tuple[int, ...],
    residuals: Sequence[Tensor | None] | None = None,
    relu: bool = False,
) -> list[Tensor]:
    """As `convolution`, of transformed weights (36, C, O)."""
    code = library("winograd")
    maps = _channels_last(maps)
    inner, outer = kernels.shape[1:]
    sizes = [_output_size(each, padding) for each in maps]
    results = [_empty(x, outer, size) for x, size in zip(maps, sizes, strict=True)]
    added = residuals or [None] * len(maps)
    added = [each if each is None else _channels_last([each])[0] for each in added]
    inputs = [_map_of(x, size, padding) for x, size in zip(maps, sizes, strict=True)]
    outputs = [_map_of(x, size, (0, 0)) for x, size in zip(results, sizes, strict=True)]
    zeros = maps[0].new_zeros(max(inner, outer))
    shift = None if bias is None else bias.contiguous()
    counts = [_tiles(len(x), size) for x, size in zip(maps, sizes, strict=True)]
    for pieces in _portions(counts, inner + outer):
        tiles = _transform(code.winograd_input, pieces, inputs, maps, zeros)
        products = torch.bmm(tiles, kernels)
        start = 0
        for piece in pieces:
            own = products[:, start : start + piece.tiles]
            _finish(code, piece, outputs, own, shift, added, relu, results, zeros)
            start += piece.tiles
    return results


def _transform(
    function: "ctypes._NamedFuncPointer",
    pieces: list[Piece],
    layouts: list[Map],
    maps: Maps,
    zeros: Tensor,
) -> Tensor:
    """The tiles of the pieces (36, T, C)."""
    channels = maps[0].shape[1]
    found = zeros.new_empty(36, sum(piece.tiles for piece in pieces), channels)
    start = 0
    for piece in pieces:
        place = found[:, start:]

        def part(first: int, count: int, piece: Piece = piece, place: Tensor = place) -> None:
            function(
                ctypes.byref(layouts[piece.source]),
                pointer(maps[piece.source]),
                pointer(zeros),
                ctypes.c_int64(piece.first + first),
                ctypes.c_int64(count),
                pointer(place[:, first:]),
                ctypes.c_int64(found.stride(0)),
            )

        shared_out(part, piece.tiles)
        start += piece.tiles
    return found


def _finish(
    code: ctypes.CDLL,
    piece: Piece,
    layouts: list[Map],
    products: Tensor,
    bias: Tensor | None,
    residuals: Sequence[Tensor | None],
    relu: bool,
    results: list[Tensor],
    zeros: Tensor,
) -> None:
    """Write the outputs of a piece from its products (36, T, O)."""

    def part(first: int, count: int) -> None:
        spare = torch.empty_like(zeros)
        code.winograd_output(
            ctypes.byref(layouts[piece.source]),
            pointer(products[:, first:]),
            ctypes.c_int64(products.stride(0)),
            ctypes.c_int64(piece.first + first),
            ctypes.c_int64(count),
            pointer(bias),
            pointer(residuals[piece.source]),
            ctypes.c_int(relu),
            pointer(results[piece.source]),
            pointer(zeros),
            pointer(spare),
        )

    shared_out(part, piece.tiles)


def _portions(counts: list[int], channels: int) -> Iterator[list[Piece]]:
    """All tiles of maps with so many, in portions that SCRATCH has room for."""
    room = max(1, SCRATCH // (36 * 4 * channels))
    portion: list[Piece] = []
    left = room
    for number, count in enumerate(counts):
        first = 0
        while first < count:
            taken = min(left, count - first)
            portion.append(Piece(number, first, taken))
            first, left = first + taken, left - taken
            if left == 0:
                yield portion
                portion, left = [], room
    if portion:
        yield portion


def _output_size(x: Tensor, padding: tuple[int, ...]) -> tuple[int, int]:
    return x.shape[2] + 2 * padding[0] - 2, x.shape[3] + 2 * padding[1] - 2


def _tiles(images: int, size: tuple[int, int]) -> int:
    return images * -(-size[0] // TILE) * -(-size[1] // TILE)


def _map_of(x: Tensor, size: tuple[int, int], padding: tuple[int, ...]) -> Map:
    """The layout of a map whose tiles cover outputs of a size."""
    rows, columns = (-(-length // TILE) for length in size)
    _, channels, height, width = x.shape
    row = width * channels
    return Map(height, width, channels, height * row, row, channels, *padding, rows, columns)


def _channels_last(maps: Maps) -> list[Tensor]:
    return [x.contiguous(memory_format=torch.channels_last) for x in maps]


def _empty(like: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    shape = (len(like), channels, *size)
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )
