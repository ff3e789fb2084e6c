"""RetinaNet ("Focal Loss for Dense Object Detection") as a plugin for MMDetection."""

from .compat import apply as _apply_compat

_apply_compat()  # before mmdet is imported: stands in for what mmcv-lite lacks

from . import data, engine  # noqa: E402
from .assigner import AnchorAssigner  # noqa: E402
from .detector import RetinaNet  # noqa: E402
from .engine.inferencer import DetInferencer  # noqa: E402
from .head import RetinaHead  # noqa: E402
from .losses import (  # noqa: E402
    FocalLoss,
    FocalStarLoss,
    HingeLoss,
    SigmoidCrossEntropyLoss,
    SoftmaxFocalLoss,
    cross_entropy_loss,
    focal_loss,
    focal_star_loss,
    hinge_loss,
    softmax_focal_loss,
)
from .matching import BACKGROUND, IGNORED, label_anchors  # noqa: E402
from .mining import OHEMSampler  # noqa: E402
from .neck import RetinaFPN  # noqa: E402
from .normaliser import Normaliser  # noqa: E402
from .recipe import allow_inheritance  # noqa: E402

allow_inheritance()

__version__ = "0.1.0"

__all__ = [
    "BACKGROUND",
    "IGNORED",
    "AnchorAssigner",
    "DetInferencer",
    "FocalLoss",
    "FocalStarLoss",
    "HingeLoss",
    "Normaliser",
    "OHEMSampler",
    "RetinaFPN",
    "RetinaHead",
    "RetinaNet",
    "SigmoidCrossEntropyLoss",
    "SoftmaxFocalLoss",
    "cross_entropy_loss",
    "data",
    "engine",
    "focal_loss",
    "focal_star_loss",
    "hinge_loss",
    "label_anchors",
    "softmax_focal_loss",
]
