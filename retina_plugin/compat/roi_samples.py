"""Where RoIAlign samples a feature map: bins, sample grids, and the four pixels round a sample.

Letters: R RoIs, h x w bins in a RoI, B = h * w, S samples in a bin, P = N * H * W pixels. The
order of the arithmetic is that of mmcv's compiled operator, because a rounding difference would
change the number of samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The arguments that say where samples lie."""

    bins: tuple[int, int]  # h, w
    spatial_scale: float
    sampling_ratio: int  # samples along a side of a bin; 0 for one in about every pixel
    aligned: bool  # whether pixel centres lie at half coordinates


@dataclass(frozen=True)
class Patch:
    """RoIs with the same number of samples in a bin, and where those lie."""

    rois: Tensor  # (R,) indices
    y: Tensor  # (R, B, S)
    x: Tensor  # (R, B, S)
    pixels: Tensor  # (R, B, S, 4) into P
    weights: Tensor  # (R, B, S, 4)


def patches(rois: Tensor, shape: torch.Size, grid: Grid, limit: int) -> Iterator[Patch]:
    """Patches of all RoIs that have samples.

    Args:
        rois: (R, 5) image, x1, y1, x2, y2; x and y in pixels before `spatial_scale`.
        shape: N, C, H, W of the features.
        grid: Where samples lie in a RoI.
        limit: At most so many samples in a patch, unless one RoI alone has more.

    Raises:
        ValueError: A RoI is not finite, names no image, or has a negative size while `aligned`.
    """
    start, size = _bins(rois, grid)
    _check(rois, size, images=shape[0])
    counts = torch.full_like(size, grid.sampling_ratio) if grid.sampling_ratio > 0 else size.ceil()
    for count in counts.long().unique(dim=0):
        samples = int(count.prod()) * grid.bins[0] * grid.bins[1]
        if samples == 0:
            continue
        members = (counts == count).all(dim=1).nonzero()[:, 0]
        for chunk in members.split(max(1, limit // samples)):
            y, x = _samples(start[chunk], size[chunk], grid.bins, count.tolist())
            pixels, weights = corners(y, x, shape[2:])
            first_pixel = rois[chunk, 0].long() * shape[2] * shape[3]
            yield Patch(chunk, y, x, pixels + first_pixel[:, None, None, None], weights)


def corners(y: Tensor, x: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """The four pixels (..., 4) of an H x W map round each point (...), and their weights.

    A point up to one pixel outside the map is moved to its border, one further out weighs nothing.
    """
    height, width = shape
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    top, bottom, down = _neighbours(y, height)
    left, right, along = _neighbours(x, width)
    rows = torch.stack([top, top, bottom, bottom], dim=-1)
    columns = torch.stack([left, right, left, right], dim=-1)
    vertical = torch.stack([1 - down, 1 - down, down, down], dim=-1)
    horizontal = torch.stack([1 - along, along, 1 - along, along], dim=-1)
    return rows * width + columns, vertical * horizontal * inside[..., None]


def _neighbours(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The whole numbers below and above, inside the map, and how far it is from the lower one."""
    position = position.clamp(0, size - 1)
    low = position.long()
    return low, (low + 1).clamp(max=size - 1), position - low


def _bins(rois: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """(R, 2) y, x of the first bin's corner, and (R, 2) height, width of a bin, in pixels."""
    boxes = rois[:, 1:] * grid.spatial_scale - (0.5 if grid.aligned else 0.0)
    start, end = boxes[:, [1, 0]], boxes[:, [3, 2]]
    size = end - start if grid.aligned else (end - start).clamp(min=1)
    return start, size / size.new_tensor(grid.bins)


def _check(rois: Tensor, size: Tensor, images: int) -> None:
    good = rois.isfinite().all(dim=1) & (size >= 0).all(dim=1)
    good &= (rois[:, 0] >= 0) & (rois[:, 0] < images)
    if not good.all():
        worst = int((~good).nonzero()[0])
        raise ValueError(
            f"RoI {worst} of RoIAlign is {rois[worst].tolist()}, expected an image index below "
            f"{images} and finite x1 <= x2, y1 <= y2."
        )


def _samples(
    start: Tensor, size: Tensor, bins: tuple[int, int], count: list[int]
) -> tuple[Tensor, Tensor]:
    """(R, B, S) y and x of every sample."""
    along_y, along_x = (_positions(start[:, i], size[:, i], bins[i], count[i]) for i in (0, 1))
    y, x = along_y[:, :, None, :, None], along_x[:, None, :, None, :]
    y, x = torch.broadcast_tensors(y, x)  # (R, h, w, samples down, samples along)
    return y.flatten(3).flatten(1, 2), x.flatten(3).flatten(1, 2)


def _positions(start: Tensor, size: Tensor, bins: int, count: int) -> Tensor:
    """(R, bins, count) coordinates of the samples along one axis."""
    bin_index = torch.arange(bins, device=start.device)
    middle = torch.arange(count, dtype=size.dtype, device=start.device) + 0.5
    first = start[:, None] + bin_index * size[:, None]
    return first[:, :, None] + (middle * size[:, None] / count)[:, None, :]
