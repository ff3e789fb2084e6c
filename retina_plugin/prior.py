"""The prior of section 4.1: at the start every anchor is an object with confidence pi."""

import math
from typing import Any

import torch
from mmdet.utils import OptMultiConfig
from mmengine.model import PretrainedInit
from torch import Tensor


def prior_bias(pi: float, anchors: int, num_classes: int, use_sigmoid: bool = True) -> Tensor:
    """Bias of the last classification layer: -log((1 - pi) / pi), -4.59512 for pi = 0.01.

    With a softmax it is the background's bias that makes all classes together pi.

    Args:
        pi: in (0, 1).
        anchors: A, anchors per cell.
        num_classes: K.
        use_sigmoid: whether there are K outputs an anchor, or K + 1 under a softmax.

    Returns:
        (A * K,), or (A * (K + 1),).
    """
    log_odds = math.log((1 - pi) / pi)
    if use_sigmoid:
        return torch.full((anchors * num_classes,), -log_odds)
    bias = torch.zeros(anchors, num_classes + 1)
    bias[:, -1] = log_odds + math.log(num_classes)
    return bias.flatten()


def is_pretrained(init_cfg: OptMultiConfig) -> bool:
    """Whether an `init_cfg` loads weights, whose bias must then stay."""
    parts = init_cfg if isinstance(init_cfg, list) else [init_cfg or {}]
    return any(_loads(part.get("type")) for part in parts)


def _loads(kind: Any) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, PretrainedInit)
    return kind in ("Pretrained", "mmengine.Pretrained")
