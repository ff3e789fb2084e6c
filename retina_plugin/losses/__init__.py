"""Classification losses: each a pure function and a thin registered class."""

from .cross_entropy import SigmoidCrossEntropyLoss, cross_entropy_loss
from .focal import FocalLoss, focal_loss
from .focal_star import FocalStarLoss, focal_star_loss
from .hinge import HingeLoss, hinge_loss
from .softmax_focal import SoftmaxFocalLoss, softmax_focal_loss

__all__ = [
    "FocalLoss",
    "FocalStarLoss",
    "HingeLoss",
    "SigmoidCrossEntropyLoss",
    "SoftmaxFocalLoss",
    "cross_entropy_loss",
    "focal_loss",
    "focal_star_loss",
    "hinge_loss",
    "softmax_focal_loss",
]
