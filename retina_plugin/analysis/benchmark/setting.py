"""Sizes of a measurement, and the input that follows from them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.models.task_modules import AnchorGenerator
from mmengine.structures import InstanceData
from torch import Tensor

from ...anchors import AnchorGrid
from ...bounds import COUNT, WHOLE_FROM_0, check_number, check_numbers
from ...errors import UserError
from ...settings import ANCHORS

Cases = dict[str, Callable[[], object]]
STOCK, BEST, OURS = "stock", "stock, best settings", "ours"
GT_SEED = 0
DEPTHS = (18, 50, 101)  # of which there is a config


@dataclass(frozen=True)
class Setting:
    """Sizes of a measurement."""

    height: int = 800
    width: int = 1344
    batch: int = 1
    classes: int = 80
    gts: int = 8
    depth: int = 50
    images: int = 1000
    candidates: int = 5000
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Raise UserError for a size that is none; there may be no gts."""
        sizes = ("height", "width", "batch", "classes", "images", "candidates")
        check_numbers("The benchmark", COUNT, **{name: getattr(self, name) for name in sizes})
        check_number("The benchmark", "gts", self.gts, WHOLE_FROM_0)
        if self.depth not in DEPTHS:
            raise UserError(
                f"The benchmark expects depth to be one of {DEPTHS}, but got {self.depth}."
            )


def grid_of(setting: Setting) -> AnchorGrid:
    """The anchors over an image of the setting."""
    options: dict[str, Any] = {key: value for key, value in ANCHORS.items() if key != "type"}
    generator = AnchorGenerator(**options)
    sizes = [(-(-setting.height // s), -(-setting.width // s)) for s in options["strides"]]
    maps = tuple(torch.empty(1, 1, *size, device=setting.device) for size in sizes)
    return AnchorGrid.over(generator, maps)


def boxes_of(setting: Setting) -> Tensor:
    """(G, 4) boxes of some 20 to 300 px, clipped to the image."""
    generator = torch.Generator().manual_seed(GT_SEED)
    size = torch.exp(torch.randn(setting.gts, 2, generator=generator) * 0.7 + 4.2)
    limits = torch.tensor([setting.width, setting.height])
    centre = torch.rand(setting.gts, 2, generator=generator) * limits
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1).clamp(min=0)
    return boxes.minimum(limits.repeat(2)).to(setting.device)


def gts_of(setting: Setting) -> list[InstanceData]:
    """Of each image of the batch the same boxes, with labels."""
    boxes = boxes_of(setting)
    labels = torch.arange(len(boxes), device=setting.device) % setting.classes
    return [InstanceData(bboxes=boxes, labels=labels) for _ in range(setting.batch)]


def metas_of(setting: Setting) -> list[dict[str, Any]]:
    """Of each image of the batch."""
    size = (setting.height, setting.width)
    meta = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
    return [{**meta, "scale_factor": (1.0, 1.0)} for _ in range(setting.batch)]
