"""The two losses of a batch, from predictions (N, R, ...) and targets."""

import torch
from mmdet.models.losses import GHMR
from mmdet.models.task_modules import BaseBBoxCoder, DeltaXYWHBBoxCoder
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from torch import Tensor, nn

from .boxes import encode
from .losses.targets import iou_targets, iou_weights, needs_iou
from .targets import Targets


def positive_deltas(deltas: Tensor, targets: Targets, class_agnostic: bool) -> Tensor:
    """Deltas (P, 4) in float32 of the positives, of their own class where boxes are of classes.

    Args:
        deltas: (N, R, 4), or (N, R, 4 K).
        targets: of the batch.
        class_agnostic: whether there is one box an anchor.
    """
    return of_own_class(targets.pick(deltas), targets, class_agnostic)


def of_own_class(deltas: Tensor, targets: Targets, class_agnostic: bool) -> Tensor:
    """The same from the deltas (P, 4), or (P, 4 K), of the positives."""
    chosen = deltas.float()
    if class_agnostic:
        return chosen
    chosen = chosen.unflatten(-1, (-1, 4))  # (P, K, 4)
    labels = targets.pick(targets.labels).clamp(max=chosen.shape[1] - 1)
    return chosen.gather(1, labels[:, None, None].expand(-1, 1, 4))[:, 0]


def classification_loss(
    loss: nn.Module,
    logits: Tensor,
    targets: Targets,
    factors: Tensor,
    pos_weight: float,
    ious: Tensor | None,
) -> Tensor:
    """Sum over all anchors that are not ignored and all classes, normalised an image.

    Args:
        loss: of MMDetection's signature.
        logits: (N, R, K), or K + 1 with a softmax.
        targets: of the batch.
        factors: (N,) by which each image's sum is multiplied.
        pos_weight: weight of the positives if above 0.
        ious: (P,) for a loss that learns the IoU, else None.
    """
    weights = targets.used * factors[:, None]  # (N, R)
    if pos_weight > 0:
        weights = torch.where(targets.is_positive, weights * pos_weight, weights)
    weights, labels = weights.flatten(), targets.labels.flatten()
    logits = logits.flatten(0, 1)
    if ious is None:
        return loss(logits, labels, weights, avg_factor=1.0)
    quality = targets.spread(ious).flatten()
    goal = iou_targets(loss, labels, quality, logits.shape[-1])
    return loss(logits.float(), goal, iou_weights(loss, weights), avg_factor=1.0)


def box_loss(
    loss: nn.Module,
    deltas: Tensor,
    anchors: Tensor,
    targets: Targets,
    factors: Tensor,
    coder: BaseBBoxCoder,
    decoded: bool,
) -> Tensor:
    """Sum over the positives, normalised an image; 0 with gradients where there is none.

    Args:
        loss: of MMDetection's signature.
        deltas: (P, 4) predicted.
        anchors: (P, 4) of the positives.
        targets: of the batch.
        factors: (N,) by which each image's sum is multiplied.
        coder: between boxes and deltas.
        decoded: whether boxes are compared instead of deltas.
    """
    if len(deltas) == 0:
        return deltas.sum()
    predicted = get_box_tensor(coder.decode(anchors, deltas)) if decoded else deltas
    wanted = targets.boxes if decoded else _encode(coder, anchors, targets.boxes)
    if isinstance(loss, GHMR):  # weighs each number by how many are like it, and normalises itself
        chosen = (targets.weights(factors) > 0)[:, None].expand_as(predicted).float()
        return loss(targets.mask(predicted, wanted), wanted, chosen)
    # Weighed here: given weights, MMDetection's losses first ask the device whether all are 0.
    each = loss(targets.mask(predicted, wanted), wanted, reduction_override="none")
    weights = targets.weights(factors)
    # CIoU of a box with itself is 0 / 0, and so NaN where the mask left the box that is wanted.
    of_box = torch.where(weights > 0, each.reshape(len(each), -1).sum(dim=1), 0)
    return (of_box * weights).sum()


def _encode(coder: BaseBBoxCoder, anchors: Tensor, boxes: Tensor) -> Tensor:
    """Deltas (P, 4); MMDetection's default coder is computed here, without its host waits."""
    if type(coder) is DeltaXYWHBBoxCoder:
        return encode(anchors, boxes, coder.means, coder.stds)
    return coder.encode(anchors, boxes)


def predicted_ious(
    loss: nn.Module, deltas: Tensor, anchors: Tensor, targets: Targets, coder: BaseBBoxCoder
) -> Tensor | None:
    """IoU (P,) of each positive's predicted box with its target; None if `loss` needs none."""
    if not needs_iou(loss):
        return None
    boxes = get_box_tensor(coder.decode(anchors, deltas.detach()))
    return bbox_overlaps(boxes, targets.boxes, is_aligned=True).clamp(min=0)
