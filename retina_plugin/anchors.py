"""The anchor grid of a batch, and which of its anchors an image may use.

Octaves, ratios and strides are those of MMDetection's AnchorGenerator.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil
from typing import Any

import torch
from mmdet.models.task_modules import AnchorGenerator
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor

from .errors import UserError

Size = tuple[int, int]
REGULAR_WITHIN = 1e-3  # pixels


@dataclass(frozen=True)
class AnchorGrid:
    """Anchors of each level, and the grid that they lie on."""

    levels: list[Tensor]  # (Ri, 4) float32, pixels, xyxy
    sizes: list[Size]  # (height, width) in cells
    strides: list[Size]  # (horizontal, vertical) in pixels
    anchors_per_cell: list[int]  # A

    @classmethod
    def over(cls, generator: AnchorGenerator, features: tuple[Tensor, ...]) -> "AnchorGrid":
        """The grid over the feature maps (N, C, Hi, Wi) of a batch, kept for the next one."""
        sizes = tuple((feature.shape[-2], feature.shape[-1]) for feature in features)
        return _grid(generator, sizes, features[0].device)

    def flat(self) -> Tensor:
        """All anchors (R, 4)."""
        return self._flat

    @cached_property
    @torch.inference_mode(False)  # the grid outlives the call that made it
    def _flat(self) -> Tensor:
        return torch.cat(self.levels)

    @cached_property
    def is_regular(self) -> bool:
        """Whether each level repeats the anchors of its first cell, stride by stride."""
        for level, (height, width), stride, count in zip(
            self.levels, self.sizes, self.strides, self.anchors_per_cell, strict=True
        ):
            if len(level) != height * width * count:
                return False
            corner = level.new_tensor([(width - 1) * stride[0], (height - 1) * stride[1]])
            expected = level[:count] + corner.repeat(2)
            if not torch.allclose(level[-count:], expected, atol=REGULAR_WITHIN):
                return False
        return True

    def usable(self, metas: list[dict], allowed_border: float = -1) -> Tensor | None:
        """Anchors (N, R) that take part in the training of each image; None where all do.

        Args:
            metas: of the images; `pad_shape` and `img_shape` are read.
            allowed_border: see `anchors_within`.

        Raises:
            UserError: the border leaves an image no anchor.
        """
        if allowed_border < 0 and all(self._filled_by(meta["pad_shape"]) for meta in metas):
            return None
        flags = [self.inside_padding(meta["pad_shape"]) for meta in metas]
        if allowed_border >= 0:
            flags = [
                inside & anchors_within(self.flat(), meta["img_shape"], allowed_border)
                for inside, meta in zip(flags, metas, strict=True)
            ]
        usable = torch.stack(flags)
        if allowed_border >= 0:
            self._check_none_is_empty(usable, metas, allowed_border)
        return usable

    @cached_property
    def _not_empty(self) -> set[tuple[Any, ...]]:
        """Shapes and borders that are known to leave anchors: to ask a device takes a wait."""
        return set()

    def _check_none_is_empty(self, usable: Tensor, metas: list[dict], border: float) -> None:
        for flags, meta in zip(usable, metas, strict=True):
            shapes = (*meta["pad_shape"][:2], *meta["img_shape"][:2], border)
            if shapes in self._not_empty:
                continue
            if not flags.any():
                height, width = meta["img_shape"][:2]
                raise UserError(
                    f"model.train_cfg.allowed_border={border} leaves image "
                    f"{meta.get('img_path', 'without a path')} of {width} x {height} px no anchor "
                    "to train on: set it to -1, or choose smaller anchors or larger images."
                )
            self._not_empty.add(shapes)

    def _filled_by(self, pad_shape: Size) -> bool:
        """Whether the cells of every level begin inside an image's own padded shape."""
        return all(
            ceil(pad_shape[0] / stride_y) >= height and ceil(pad_shape[1] / stride_x) >= width
            for (height, width), (stride_x, stride_y) in zip(self.sizes, self.strides, strict=True)
        )

    def inside_padding(self, pad_shape: Size) -> Tensor:
        """Anchors (R,) whose cell begins inside an image's own padded shape.

        Where the images of a batch differ in size, the rest of the batch's
        canvas is no part of the image (MMDetection's valid flags).

        Args:
            pad_shape: (height, width, ...) in pixels of the image with its padding.
        """
        flags = []
        device = self.levels[0].device
        for size, (stride_x, stride_y), count in zip(
            self.sizes, self.strides, self.anchors_per_cell, strict=True
        ):
            cells = torch.zeros((*size, count), dtype=torch.bool, device=device)
            cells[: ceil(pad_shape[0] / stride_y), : ceil(pad_shape[1] / stride_x)] = True
            flags.append(cells.flatten())
        return torch.cat(flags)


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _grid(generator: AnchorGenerator, sizes: tuple[Size, ...], device: torch.device) -> AnchorGrid:
    priors = generator.grid_priors(sizes, dtype=torch.float32, device=device)
    levels = [get_box_tensor(level) for level in priors]  # of a type where `use_box_type` is set
    return AnchorGrid(levels, list(sizes), generator.strides, generator.num_base_priors)


def anchors_within(anchors: Tensor, img_shape: Size, border: float) -> Tensor:
    """Anchors (R,) that stick out of the image by less than `border` pixels.

    Args:
        anchors: (R, 4) pixels, xyxy.
        img_shape: (height, width, ...) in pixels, without padding.
        border: pixels; negative admits every anchor, as RetinaNet does.
    """
    if border < 0:
        return torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
    height, width = img_shape[:2]
    inside_left_top = (anchors[:, :2] >= -border).all(-1)
    return inside_left_top & (anchors[:, 2] < width + border) & (anchors[:, 3] < height + border)
