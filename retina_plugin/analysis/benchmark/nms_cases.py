"""What is measured of NMS: the candidates of one image, compiled and in plain PyTorch."""

from functools import partial

import torch
from torch import Tensor

from ... import nms as plain
from ...kernels import suppression
from .setting import Cases, Setting

THRESHOLD = 0.5
TO_ONE_OBJECT = 50  # candidates, where many overlap


def nms_cases(setting: Setting) -> Cases:
    """NMS, and soft NMS of our own, of candidates few or many of which overlap."""
    cases: Cases = {}
    for name, draw in (("few overlap", few), ("many overlap", many)):
        boxes, scores = (each.to(setting.device) for each in draw(setting))
        cases[f"{name}, no compiler"] = partial(plain.nms, boxes, scores, THRESHOLD)
        cases[f"{name}, ours"] = partial(suppression.nms, boxes, scores, THRESHOLD)
        cases[f"{name}, ours, soft"] = partial(suppression.soft_nms, boxes, scores)
    return cases


def few(setting: Setting) -> tuple[Tensor, Tensor]:
    """Boxes (M, 4) of 4 to 34 px anywhere in the image, and their scores (M,)."""
    generator = torch.Generator().manual_seed(0)
    centre = _centres(setting, setting.candidates, generator)
    size = torch.rand(len(centre), 2, generator=generator) * 30 + 4
    labels = torch.randint(setting.classes, (len(centre),), generator=generator)
    return _apart(centre, size, labels), torch.rand(len(centre), generator=generator)


def many(setting: Setting) -> tuple[Tensor, Tensor]:
    """Boxes (M, 4) in groups around objects of 20 to 300 px, and their scores (M,)."""
    generator = torch.Generator().manual_seed(0)
    count = -(-setting.candidates // TO_ONE_OBJECT)
    middle = _centres(setting, count, generator)
    typical = torch.exp(torch.randn(count, 2, generator=generator) * 0.7 + 4.2)
    classes = torch.randint(setting.classes, (count,), generator=generator)
    own = torch.randint(count, (setting.candidates,), generator=generator)
    noise = torch.randn(2, setting.candidates, 2, generator=generator)
    size = typical[own] * torch.exp(noise[0] * 0.08)
    boxes = _apart(middle[own] + noise[1] * 0.06 * size, size, classes[own])
    return boxes, torch.rand(len(boxes), generator=generator)


def _centres(setting: Setting, count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 2, generator=generator) * torch.tensor([setting.width, setting.height])


def _apart(centre: Tensor, size: Tensor, labels: Tensor) -> Tensor:
    """Boxes whose classes are moved apart, as mmcv's batched_nms moves them."""
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    return boxes + (labels.to(boxes) * (boxes.max() + 1))[:, None]
