"""The losses of a batch, level by level of the pyramid."""

from dataclasses import dataclass, replace

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from torch import Tensor

from ..head import RetinaHead
from ..objective import box_loss, classification_loss, positive_deltas, predicted_ious
from ..targets import ListedTargets, batch_codes, listed_targets, target_form


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
    logits, deltas = head(x)
    targets = _targets(head, x, samples)
    factors = head.normaliser(targets.positives)
    grid = head.grid(x)
    found, first = [], 0
    for level, (of_logits, of_deltas) in enumerate(zip(logits, deltas, strict=True)):
        after = first + of_logits.shape[1]
        own = _within(targets, first, after)
        found.append(
            LevelLoss(
                grid.strides[level][0],
                own.positives.tolist(),
                *_losses(
                    head, torch.cat(logits, 1), torch.cat(deltas, 1), own, factors, grid.flat()
                ),
                _largest(of_logits),
                _largest(of_deltas),
            )
        )
        first = after
    return found


def _targets(head: RetinaHead, x: tuple[Tensor, ...], samples: SampleList) -> ListedTargets:
    gts, ignored, metas = unpack_gt_instances(samples)
    grid = head.grid(x)
    usable = grid.usable(metas, head.train_cfg["allowed_border"])
    form = target_form("auto", grid.flat().device.type)
    form = "plain" if form == "masked" else form
    codes = batch_codes(head.assigner, grid, usable, gts, ignored or [None] * len(gts), form)
    return listed_targets(codes, gts, head.num_classes)


def _within(targets: ListedTargets, first: int, after: int) -> ListedTargets:
    """The targets with all anchors but those from `first` to `after` ignored."""
    anchors = torch.arange(targets.used.shape[1], device=targets.used.device)
    is_own = (anchors >= first) & (anchors < after)
    chosen = is_own[targets.anchor]
    return replace(
        targets,
        used=targets.used & is_own,
        boxes=targets.boxes[chosen],
        image=targets.image[chosen],
        anchor=targets.anchor[chosen],
    )


def _losses(
    head: RetinaHead,
    logits: Tensor,
    deltas: Tensor,
    targets: ListedTargets,
    factors: Tensor,
    anchors: Tensor,
) -> tuple[float, float]:
    positive = positive_deltas(deltas, targets, head.reg_class_agnostic)
    own = targets.anchors(anchors)
    ious = predicted_ious(head.loss_cls, positive, own, targets, head.bbox_coder)
    weight = head.train_cfg["pos_weight"]
    classes = classification_loss(head.loss_cls, logits, targets, factors, weight, ious)
    boxes = box_loss(
        head.loss_bbox, positive, own, targets, factors, head.bbox_coder, head.reg_decoded_bbox
    )
    return classes.item(), boxes.item()


def _largest(values: Tensor) -> float:
    return values.detach().float().abs().max().item()
