"""Training targets of a batch, from the codes of its anchors."""

from dataclasses import dataclass

import torch
from mmdet.models.task_modules import BaseAssigner
from mmengine.structures import InstanceData
from torch import Tensor

from .assigner import AnchorAssigner
from .matching import BACKGROUND, IGNORED


@dataclass(frozen=True)
class Targets:
    """What the anchors of a batch learn; P is the number of positive anchors."""

    labels: Tensor  # (N, R) in 0..K, K is background
    used: Tensor  # (N, R) bool, False on ignored anchors
    image: Tensor  # (P,) image of each positive
    anchor: Tensor  # (P,) anchor of each positive
    boxes: Tensor  # (P, 4) box that each positive learns, pixels, xyxy

    @property
    def positives(self) -> Tensor:
        """Number of positive anchors (N,) of each image."""
        return torch.bincount(self.image, minlength=len(self.labels))


def batch_codes(
    assigner: BaseAssigner,
    anchors: Tensor,
    valid: Tensor,
    gts: list[InstanceData],
    ignored: list[InstanceData | None],
) -> Tensor:
    """Codes (N, R) by our assigner or by any of MMDetection's.

    Args:
        assigner: anything with MMDetection's `assign`.
        anchors: (R, 4) pixels, xyxy.
        valid: (N, R) bool, anchors that take part.
        gts: N, each with `bboxes` (G_i, 4) and `labels` (G_i,).
        ignored: N, each with `bboxes` of ignore regions, or None.
    """
    codes_of = _own_codes if isinstance(assigner, AnchorAssigner) else _foreign_codes
    return torch.stack(
        [
            codes_of(assigner, anchors, flags, gt, crowd)
            for flags, gt, crowd in zip(valid, gts, ignored, strict=True)
        ]
    )


def _own_codes(
    assigner: AnchorAssigner,
    anchors: Tensor,
    valid: Tensor,
    gt: InstanceData,
    crowd: InstanceData | None,
) -> Tensor:
    regions = None if crowd is None else crowd.bboxes
    return assigner.match(anchors, gt.bboxes, regions, valid)[0]


def _foreign_codes(
    assigner: BaseAssigner,
    anchors: Tensor,
    valid: Tensor,
    gt: InstanceData,
    crowd: InstanceData | None,
) -> Tensor:
    """Codes (R,) from the result of one of MMDetection's assigners on the valid anchors."""
    result = assigner.assign(InstanceData(priors=anchors[valid]), gt, crowd)
    codes = torch.full((len(anchors),), IGNORED, dtype=torch.long, device=anchors.device)
    codes[valid] = torch.where(result.gt_inds < 0, IGNORED, result.gt_inds - 1)
    return codes


def batch_targets(codes: Tensor, gts: list[InstanceData], num_classes: int) -> Targets:
    """Targets of the whole batch at once.

    Args:
        codes: (N, R), index of the matched box of that image, BACKGROUND or IGNORED.
        gts: N, each with `bboxes` (G_i, 4) and `labels` (G_i,).
        num_classes: K.
    """
    counts = torch.tensor([len(gt.labels) for gt in gts])
    first = (counts.cumsum(0) - counts).to(codes.device)[:, None]  # (N, 1)
    labels = torch.cat([gt.labels for gt in gts])
    padded = torch.cat([labels, labels.new_full((1,), num_classes)])
    index = torch.where(codes > BACKGROUND, codes + first, len(labels))  # (N, R)
    image, anchor = (codes > BACKGROUND).nonzero(as_tuple=True)
    return Targets(
        labels=padded[index],
        used=codes != IGNORED,
        image=image,
        anchor=anchor,
        boxes=torch.cat([gt.bboxes for gt in gts])[index[image, anchor]],
    )
