"""Stand-ins for mmcv's RoIAlign operators ("Mask R-CNN", section 3), equal to its compiled ones.

Each RoI is cut into h x w bins; a bin is the mean or the maximum of bilinear samples inside it.
Letters: N images, R RoIs, B = h * w bins, S samples in a bin, P = N * H * W pixels, C channels.
Half-precision input is computed in float32. The operators write into mmcv's buffers.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from ..nms import at_least_float32
from .roi_samples import Grid, Patch, corners, patches

MAX_POOL = 0
# mmcv's maximum starts here, and stays here in a bin without samples.
LOWEST = -10000.0
# Sampled values held at once: 64 MB in float32.
BUDGET = 2**24


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool `input` (N, C, H, W) into `output` (R, C, h, w).

    Args:
        input: (N, C, H, W) features.
        rois: (R, 5) image, x1, y1, x2, y2; x and y in pixels before `spatial_scale`.
        output: (R, C, h, w), written.
        argmax_y: (R, C, h, w), written by the maximum: where its sample lies, or -1.
        argmax_x: The same along the other axis.
        aligned_height: h.
        aligned_width: w.
        spatial_scale: Size of the features relative to the pixels of `rois`.
        sampling_ratio: Samples along each side of a bin; 0 for about one in every pixel.
        pool_mode: 0 for the maximum, 1 for the mean.
        aligned: Whether pixel centres lie at half coordinates; False is the older behaviour.

    Raises:
        ValueError: A RoI is not finite, names no image, or has a negative size while `aligned`.
    """
    features = at_least_float32(input).permute(0, 2, 3, 1).flatten(0, 2)
    features = features.contiguous()  # a single image's is a view, over which sums are slow
    grid = Grid((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    output.fill_(LOWEST if pool_mode == MAX_POOL else 0)
    argmax_y.fill_(-1)
    argmax_x.fill_(-1)
    for patch in patches(rois.to(features), input.shape, grid, BUDGET // input.size(1)):
        if pool_mode == MAX_POOL:
            values, y, x = _maximum(features, patch)
            _write(argmax_y, patch, y)
            _write(argmax_x, patch, x)
        else:
            values = _mean(features, patch)
        _write(output, patch, values)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient of the pooled features (R, C, h, w) to `grad_input` (N, C, H, W).

    The other arguments are those of `roi_align_forward`, `argmax_y` and `argmax_x` as it left them.
    """
    grad_output = at_least_float32(grad_output)
    rois = rois.to(grad_output)
    if pool_mode == MAX_POOL:
        y, x = argmax_y.to(grad_output), argmax_x.to(grad_output)
        grad_input += _grad_of_maximum(grad_output, rois, y, x, grad_input.shape)
    else:
        grid = Grid((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
        grad_input += _grad_of_mean(grad_output, rois, grid, grad_input.shape)


def _mean(features: Tensor, patch: Patch) -> Tensor:
    """(R, B, C)."""
    pixels, weights = patch.pixels.flatten(2), patch.weights.flatten(2)
    sums = _weighted_sums(features, pixels, weights)
    return sums / patch.y.size(2)


def _maximum(features: Tensor, patch: Patch) -> tuple[Tensor, Tensor, Tensor]:
    """(R, B, C) maximum, and y and x of the first sample that has it."""
    samples = _weighted_sums(features, patch.pixels, patch.weights)  # (R, B, S, C)
    first = samples.argmax(dim=2, keepdim=True)
    values = samples.gather(2, first).squeeze(2)
    first = first.squeeze(2)
    return values, patch.y.gather(2, first), patch.x.gather(2, first)


def _weighted_sums(features: Tensor, pixels: Tensor, weights: Tensor) -> Tensor:
    """Sums over the last dimension of `pixels` and `weights` (..., k), of features (P, C)."""
    bags, shape = pixels.flatten(0, -2), (*pixels.shape[:-1], features.size(1))
    weights = weights.flatten(0, -2)
    return embedding_bag(bags, features, per_sample_weights=weights, mode="sum").view(shape)


def _write(buffer: Tensor, patch: Patch, values: Tensor) -> None:
    """Put (R, B, C) values where the patch's RoIs are in an (all RoIs, C, h, w) buffer."""
    values = values.transpose(1, 2).reshape(-1, *buffer.shape[1:])
    buffer[patch.rois] = values.to(buffer.dtype)


def _grad_of_mean(grad_output: Tensor, rois: Tensor, grid: Grid, shape: torch.Size) -> Tensor:
    images, channels, height, width = shape
    rows = grad_output.new_zeros(images * height * width, channels)
    for patch in patches(rois, shape, grid, BUDGET // channels):
        grad = grad_output[patch.rois].flatten(2).transpose(1, 2).flatten(0, 1)  # (R * B, C)
        grad = grad / patch.y.size(2)
        pixels = patch.pixels.flatten(0, 1).flatten(1).unbind(dim=1)
        weights = patch.weights.flatten(0, 1).flatten(1).split(1, dim=1)
        for pixel, weight in zip(pixels, weights, strict=True):
            rows.index_add_(0, pixel, grad * weight)
    return rows.view(images, height, width, channels).permute(0, 3, 1, 2)


def _grad_of_maximum(
    grad_output: Tensor, rois: Tensor, y: Tensor, x: Tensor, shape: torch.Size
) -> Tensor:
    """The gradient goes to the four pixels round the winning sample, if there was one (y != -1)."""
    pixels, weights = corners(y, x, shape[2:])  # (R, C, h, w, 4)
    channels = torch.arange(shape[1], device=rois.device)
    planes = rois[:, :1].long() * shape[1] + channels  # (R, C)
    pixels = pixels + (planes * shape[2] * shape[3])[:, :, None, None, None]
    grads = (grad_output * (y != -1))[..., None] * weights
    flat = grad_output.new_zeros(shape.numel())
    return flat.index_add_(0, pixels.flatten(), grads.flatten()).view(shape)
