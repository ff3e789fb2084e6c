"""What a classification loss is told about the anchors."""

import torch
from mmdet.models.losses import QualityFocalLoss, VarifocalLoss
from torch import Tensor, nn

from ..errors import UserError

IOU_LOSSES = (QualityFocalLoss, VarifocalLoss)
ROUNDING = 8  # units in the last place by which a computed share may miss [0, 1]


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raise UserError unless all labels lie in 0..num_classes (the last is background)."""
    if labels.numel() == 0:
        return
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high > num_classes:
        raise UserError(
            f"labels must lie in 0..{num_classes - 1}, or be {num_classes} for background, but "
            f"got {low if low < 0 else high}; compare num_classes with the classes of the data."
        )


def check_soft_targets(targets: Tensor, name: str) -> None:
    """Raise UserError unless all targets lie in [0, 1], but for rounding; NaN is left alone.

    Args:
        targets: of any shape and type.
        name: of the loss, for the message.
    """
    if targets.numel() == 0:
        return
    is_float = targets.is_floating_point()
    slack = ROUNDING * torch.finfo(targets.dtype).eps if is_float else 0
    low, high = (float(bound) for bound in targets.aminmax())
    if low < -slack or high > 1 + slack:
        raise UserError(
            f"{name} expects targets of the shape of the logits to lie in [0, 1], but got "
            f"{low if low < -slack else high:g}; give class labels as integers, one an anchor."
        )


def are_labels(target: Tensor, logits: Tensor, name: str) -> bool:
    """Whether a target holds an integer label an anchor; else it has the shape of the logits.

    Args:
        target: (M,) or (M, K).
        logits: (M, K).
        name: of the loss, for the message.

    Raises:
        UserError: it is neither.
    """
    if target.shape == logits.shape and target.dim() == logits.dim():
        return False
    if target.shape != logits.shape[:-1] or target.is_floating_point():
        raise UserError(
            f"{name} expects integer labels of shape {tuple(logits.shape[:-1])} or targets of "
            f"shape {tuple(logits.shape)}, but got {target.dtype} of {tuple(target.shape)}."
        )
    return True


def needs_iou(loss: nn.Module) -> bool:
    """Whether a loss learns the IoU of each predicted box (varifocal, quality focal)."""
    return isinstance(loss, IOU_LOSSES)


def iou_targets(loss: nn.Module, labels: Tensor, ious: Tensor, num_classes: int) -> object:
    """Targets in the form that an IoU-aware loss of MMDetection takes.

    Args:
        loss: a loss for which `needs_iou` holds.
        labels: (M,) in 0..K, K is background.
        ious: (M,) IoU of the predicted with the matched box, 0 on background.
        num_classes: K.

    Returns:
        `(labels, ious)` for quality focal loss, a (M, K) tensor with the IoU at
        the label for varifocal loss.
    """
    if isinstance(loss, QualityFocalLoss):
        return labels, ious
    dense = ious.new_zeros(len(labels), num_classes + 1)
    return dense.scatter_(1, labels[:, None], ious[:, None])[:, :num_classes]


def iou_weights(loss: nn.Module, weights: Tensor) -> Tensor:
    """Anchor weights (M,) in the shape that the IoU-aware loss broadcasts."""
    return weights if isinstance(loss, QualityFocalLoss) else weights[:, None]
