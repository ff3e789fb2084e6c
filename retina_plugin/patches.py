"""The box subnet where it matters: near positive anchors.

The box loss reads the deltas of positive anchors alone (section 4.1 of the paper), so the gradient
of all others is zero. In training their part of the feature maps need not be computed: a level is
cut into tiles, and the subnet runs on those with a positive, each with a margin as wide as the
subnet sees. Deltas and gradients are those of the whole map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .anchors import AnchorGrid
from .kernels.convolution import Geometry, autocast, convolve
from .kernels.fallback import differentiated_once
from .listeners import is_changed
from .subnet import is_joinable
from .targets import ListedTargets

TILE = 8  # cells
WORTH = 0.7  # of the whole map's cells, margins included
SAME = Geometry(padding=(1, 1))  # what a tile's convolutions must be, to leave their padding out
KERNEL = (3, 3)

Weights = list[tuple[Tensor, Tensor | None]]  # and biases, of each layer


@dataclass(frozen=True)
class Places:
    """Where on a level the anchors are whose deltas are wanted."""

    image: Tensor  # (Q,)
    row: Tensor  # (Q,) cells
    column: Tensor  # (Q,) cells
    shape: Tensor  # (Q,) anchor of the cell, 0..A - 1


def places_of(targets: ListedTargets, grid: AnchorGrid) -> tuple[list[Places], Tensor]:
    """The positives of each level, and where each of the P of the batch is in that order."""
    lengths = targets.anchor.new_tensor([len(level) for level in grid.levels])
    level = torch.bucketize(targets.anchor, lengths.cumsum(0), right=True)
    within = targets.anchor - (lengths.cumsum(0) - lengths)[level]
    order = level.argsort(stable=True)
    places = []
    sizes = zip(grid.sizes, grid.anchors_per_cell, strict=True)
    for number, ((_, width), count) in enumerate(sizes):
        own = order[level[order] == number]
        cell, shape = within[own] // count, within[own] % count
        places.append(Places(targets.image[own], cell // width, cell % width, shape))
    return places, order.argsort()


@dataclass(frozen=True)
class Tiles:
    """T tiles of a level and the tile of each of the Q places."""

    image: list[int]
    top: list[int]  # cells, of the tile without its margin
    left: list[int]
    of_place: Tensor  # (Q,)

    @classmethod
    def around(cls, places: Places) -> "Tiles":
        """The tiles in which the places are."""
        corners = torch.stack([places.image, places.row // TILE, places.column // TILE], dim=1)
        chosen, of_place = corners.unique(dim=0, return_inverse=True)
        image, row, column = chosen.unbind(1)
        return cls(image.tolist(), (row * TILE).tolist(), (column * TILE).tolist(), of_place)


def can_run_on_tiles(convs: nn.ModuleList, output: nn.Module) -> bool:
    """Whether all convolutions are 3x3 with padding 1 and nothing but ReLUs between them."""
    inner = [module.conv for module in convs if is_joinable(module)]
    return (
        len(inner) == len(convs)
        and type(output) is nn.Conv2d
        and not is_changed(output)
        and all(Geometry.of(c) == SAME and c.kernel_size == KERNEL for c in (*inner, output))
    )


def deltas_at(
    convs: nn.ModuleList,
    output: nn.Conv2d,
    levels: Sequence[Tensor],
    wanted: Sequence[Places],
    channels: int,
) -> Tensor:
    """Deltas (P, D) of the places of all levels, one level after the other.

    Args:
        convs: of the subnet; see `can_run_on_tiles`.
        output: the convolution to A D channels, the deltas of a cell's anchors.
        levels: (N, C, Hi, Wi).
        wanted: of each level.
        channels: D.
    """
    inner = cast(list[nn.Conv2d], [module.conv for module in convs])
    weights = [autocast(conv.weight, conv.bias) for conv in (*inner, output)]
    found = []
    # A level without a positive has no gradient; where all are so, one keeps the graph whole.
    used = [pair for pair in zip(levels, wanted, strict=True) if len(pair[1].image)]
    for level, places in used or [(levels[-1], wanted[-1])]:
        tiles = Tiles.around(places)
        if _is_worth_it(level, len(tiles.image), len(weights)):
            maps, image = _on_tiles(weights, level, tiles), tiles.of_place
            row, column = places.row % TILE, places.column % TILE
        else:
            maps = _run(weights, level, SAME)
            image, row, column = places.image, places.row, places.column
        cells = maps.permute(0, 2, 3, 1)[image, row, column].unflatten(-1, (-1, channels))
        found.append(cells[torch.arange(len(cells), device=cells.device), places.shape])
    return torch.cat(found)


def _is_worth_it(level: Tensor, tiles: int, layers: int) -> bool:
    """Whether the tiles with their margins are so few that cutting them out pays."""
    on_tiles = tiles * sum((TILE + 2 * margin) ** 2 for margin in range(layers))
    everywhere = layers * level.shape[0] * level.shape[2] * level.shape[3]
    return 0 < on_tiles < WORTH * everywhere


def _on_tiles(weights: Weights, level: Tensor, tiles: Tiles) -> Tensor:
    """Outputs (T, A D, TILE, TILE) of the subnet."""
    margin = len(weights)
    (level,) = autocast(level)
    inside = _inside(level, tiles, margin)
    x = _Cut.apply(level, tiles, margin)
    for layer, (weight, bias) in enumerate(weights, start=1):
        is_last = layer == margin
        x = convolve(x, weight, bias, Geometry(), relu=not is_last)
        if not is_last:  # what lies outside the map is the next layer's padding: zero
            x = x * inside[:, :, layer:-layer, layer:-layer].to(x.dtype)
    return x


def _run(weights: Weights, x: Tensor, geometry: Geometry) -> Tensor:
    for weight, bias in weights[:-1]:
        x = convolve(x, weight, bias, geometry, relu=True)
    return convolve(x, *weights[-1], geometry)


def _inside(level: Tensor, tiles: Tiles, margin: int) -> Tensor:
    """Which cells (T, 1, S, S) of the tiles and their margins are on the map."""
    span = torch.arange(-margin, TILE + margin, device=level.device)
    rows, columns = (span.new_tensor(start)[:, None] + span for start in (tiles.top, tiles.left))
    rows, columns = (
        (rows >= 0) & (rows < level.shape[2]),
        (columns >= 0) & (columns < level.shape[3]),
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]


class _Cut(torch.autograd.Function):
    """Cuts tiles with their margins out of a map; in the backward pass adds them up again."""

    @staticmethod
    def forward(ctx: Any, level: Tensor, tiles: Tiles, margin: int) -> Tensor:
        ctx.tiles, ctx.margin, ctx.shape = tiles, margin, level.shape
        padded = F.pad(level, _padding(level.shape, margin))
        cut = [padded[window] for window in _windows(tiles, margin)]
        return torch.stack(cut).contiguous(memory_format=torch.channels_last)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        count, channels, height, width = ctx.shape
        left, right, top, bottom = _padding(ctx.shape, ctx.margin)
        padded = outer.new_zeros(
            (count, height + top + bottom, width + left + right, channels)
        ).permute(0, 3, 1, 2)
        for tile, window in zip(outer, _windows(ctx.tiles, ctx.margin), strict=True):
            padded[window] += tile
        return padded[:, :, top : top + height, left : left + width], None, None


def _padding(shape: Sequence[int], margin: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom: the margin, and what the last tiles reach beyond the map."""
    beyond_height, beyond_width = -shape[2] % TILE, -shape[3] % TILE
    return margin, margin + beyond_width, margin, margin + beyond_height


def _windows(tiles: Tiles, margin: int) -> list[tuple[int, slice, slice, slice]]:
    """Indices of each tile with its margins into the padded map."""
    side = TILE + 2 * margin
    return [
        (image, slice(None), slice(top, top + side), slice(left, left + side))
        for image, top, left in zip(tiles.image, tiles.top, tiles.left, strict=True)
    ]
