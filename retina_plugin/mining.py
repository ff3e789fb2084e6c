"""Online hard example mining on the anchors of a dense head (Table 1d; Shrivastava et al., 2016).

RetinaNet trains on every anchor. These baselines train on a fixed number of them an image: those
with the highest loss that do not overlap each other.
"""

import torch
from mmdet.models.losses import GHMC
from torch import Tensor, nn

from .bounds import SHARE, Bounds, check_number
from .losses.targets import needs_iou
from .nms import nms
from .registry import TASK_UTILS
from .targets import Targets

NEGATIVES = 3  # for each positive, in OHEM 1:3
NUMBER = Bounds(low=1 + NEGATIVES, is_whole=True)


def why_not_mined(loss: nn.Module) -> str | None:
    """What a classification loss does, by which anchors cannot be chosen; None where they can."""
    if needs_iou(loss):
        return "learns the IoU"
    if isinstance(loss, GHMC):
        return "weighs each anchor by how many are like it"
    return None


@TASK_UTILS.register_module()
class OHEMSampler:
    """OHEM, and OHEM 1:3, as `train_cfg.sampler` of RetinaHead.

    An anchor is scored by its classification loss, summed over the classes. The boxes of the NMS
    are the anchors, which are to a dense head what the proposals are to Fast R-CNN. The head's
    `normaliser` then counts the chosen anchors instead of the positives: those of each image, or
    of the batch, which is Fast R-CNN's minibatch. The paper names no normaliser.

    Args:
        number: anchors of an image that are trained on (the paper's batch size: 128, 256, 512).
        iou_threshold: highest overlap of two of them (the paper's nms: .5, .7).
        balanced: whether three negatives are chosen for each positive, and at most a quarter of
            `number` are positives (OHEM 1:3). NMS then runs among the positives and among the
            negatives: one that went through all anchors would take longer than the training.

    Raises:
        UserError: for an argument out of its range.
    """

    def __init__(
        self, number: int = 128, iou_threshold: float = 0.5, balanced: bool = False
    ) -> None:
        check_number("OHEMSampler", "number", number, NUMBER)
        check_number("OHEMSampler", "iou_threshold", iou_threshold, SHARE)
        self.number = number
        self.iou_threshold = iou_threshold
        self.balanced = balanced

    def choose(self, losses: Tensor, anchors: Tensor, targets: Targets) -> Tensor:
        """Which anchors (N, R) are trained on, bool.

        Args:
            losses: (N, R) of each anchor, without gradient.
            anchors: (R, 4) xyxy in pixels.
            targets: of the batch; ignored anchors are never chosen.
        """
        chosen = torch.zeros_like(targets.used)
        images = zip(losses, targets.used, targets.is_positive, strict=True)
        for row, (loss, used, positive) in zip(chosen, images, strict=True):
            row[self._of_image(loss, anchors, used, positive)] = True
        return chosen

    def _of_image(self, loss: Tensor, anchors: Tensor, used: Tensor, positive: Tensor) -> Tensor:
        if not self.balanced:
            return self._hardest(loss, anchors, used, self.number)
        objects = self._hardest(loss, anchors, used & positive, self.number // (1 + NEGATIVES))
        count = NEGATIVES * max(len(objects), 1)
        background = self._hardest(loss, anchors, used & ~positive, count)
        return torch.cat([objects, background])

    def _hardest(self, loss: Tensor, anchors: Tensor, among: Tensor, number: int) -> Tensor:
        """Indices of at most `number` anchors of those in `among` (R,)."""
        index = among.nonzero()[:, 0]
        return index[nms(anchors[index], loss[index], self.iou_threshold, at_most=number)]
