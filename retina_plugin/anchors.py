"""The anchor grid of a batch, and which of its anchors an image may use.

Octaves, ratios and strides are those of MMDetection's AnchorGenerator.
"""

from dataclasses import dataclass
from math import ceil

import torch
from mmdet.models.task_modules import AnchorGenerator
from torch import Tensor

Size = tuple[int, int]


@dataclass(frozen=True)
class AnchorGrid:
    """Anchors of each level, and the grid that they lie on."""

    levels: list[Tensor]  # (Ri, 4) float32, pixels, xyxy
    sizes: list[Size]  # (height, width) in cells
    strides: list[Size]  # (horizontal, vertical) in pixels
    anchors_per_cell: list[int]  # A

    @classmethod
    def over(cls, generator: AnchorGenerator, features: tuple[Tensor, ...]) -> "AnchorGrid":
        """The grid over the feature maps (N, C, Hi, Wi) of a batch."""
        sizes = [(feature.shape[-2], feature.shape[-1]) for feature in features]
        device = features[0].device
        levels = generator.grid_priors(sizes, dtype=torch.float32, device=device)
        return cls(levels, sizes, generator.strides, generator.num_base_priors)

    def flat(self) -> Tensor:
        """All anchors (R, 4)."""
        return torch.cat(self.levels)

    def usable(self, metas: list[dict], allowed_border: float = -1) -> Tensor:
        """Anchors (N, R) that take part in the training of each image.

        Args:
            metas: of the images; `pad_shape` and `img_shape` are read.
            allowed_border: see `anchors_within`.
        """
        anchors = self.flat()
        flags = [
            self.inside_padding(meta["pad_shape"]).to(anchors.device)
            & anchors_within(anchors, meta["img_shape"], allowed_border)
            for meta in metas
        ]
        return torch.stack(flags)

    def inside_padding(self, pad_shape: Size) -> Tensor:
        """Anchors (R,) whose cell begins inside an image's own padded shape.

        Where the images of a batch differ in size, the rest of the batch's
        canvas is no part of the image (MMDetection's valid flags).

        Args:
            pad_shape: (height, width, ...) in pixels of the image with its padding.
        """
        flags = []
        for size, (stride_x, stride_y), count in zip(
            self.sizes, self.strides, self.anchors_per_cell, strict=True
        ):
            cells = torch.zeros(size, dtype=torch.bool)
            cells[: ceil(pad_shape[0] / stride_y), : ceil(pad_shape[1] / stride_x)] = True
            flags.append(cells.flatten().repeat_interleave(count))
        return torch.cat(flags)


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
    limits = anchors.new_tensor([width + border, height + border])
    return inside_left_top & (anchors[:, 2:] < limits).all(-1)
