"""The losses of a batch, level by level of the pyramid."""

from dataclasses import dataclass

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from torch import Tensor

from ..head import RetinaHead
from ..objective import positive_deltas
from ..targets import Targets


@dataclass(frozen=True)
class LevelLoss:
    """What a level adds to the losses."""

    stride: int  # pixels
    positives: list[int]  # anchors of each image
    loss_cls: float
    loss_bbox: float
    largest_logit: float  # by magnitude
    largest_delta: float


def losses_of_levels(
    head: RetinaHead, x: tuple[Tensor, ...], samples: SampleList
) -> list[LevelLoss]:
    """Losses of each level (N, C, Hi, Wi) of a batch; they add up to the head's."""
    levels = list(zip(*head(x), strict=True))  # of logits and deltas
    logits, deltas = (torch.cat(each, 1) for each in zip(*levels, strict=True))
    gts, ignored, metas = unpack_gt_instances(samples)
    grid = head.grid(x)
    form = "plain" if logits.is_cuda else "auto"  # which list the positives
    targets: Targets = head.targets(grid, gts, metas, ignored, form)
    targets, _, factors = head.chosen(logits, targets, grid)
    found, first = [], 0
    for (of_logits, of_deltas), (stride, _) in zip(levels, grid.strides, strict=True):
        own = _within(targets, first, first + of_logits.shape[1])
        positive = positive_deltas(deltas, own, head.reg_class_agnostic)
        losses = head.losses_of(logits, positive, own, grid, factors)
        values = losses["loss_cls"].item(), losses["loss_bbox"].item()
        largest = _largest(of_logits), _largest(of_deltas)
        found.append(LevelLoss(stride, own.positives.tolist(), *values, *largest))
        first += of_logits.shape[1]
    return found


def _within(targets: Targets, first: int, after: int) -> Targets:
    """The targets with all anchors but those from `first` to `after` ignored."""
    anchors = torch.arange(targets.used.shape[1], device=targets.used.device)
    is_own = (anchors >= first) & (anchors < after)
    return targets.only(is_own.expand_as(targets.used))[0]


def _largest(values: Tensor) -> float:
    return values.detach().float().abs().max().item()
