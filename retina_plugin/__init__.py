"""RetinaNet ("Focal Loss for Dense Object Detection") as a plugin for MMDetection."""

from .compat import apply as _apply_compat

_apply_compat()  # before mmdet is imported: stands in for what mmcv-lite lacks

from . import data, engine  # noqa: E402
from .assigner import AnchorAssigner  # noqa: E402
from .detector import RetinaNet  # noqa: E402
from .engine.inferencer import DetInferencer  # noqa: E402
from .head import RetinaHead  # noqa: E402
from .losses import FocalLoss, focal_loss  # noqa: E402
from .matching import BACKGROUND, IGNORED, label_anchors  # noqa: E402
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
    "Normaliser",
    "RetinaFPN",
    "RetinaHead",
    "RetinaNet",
    "data",
    "engine",
    "focal_loss",
    "label_anchors",
]
