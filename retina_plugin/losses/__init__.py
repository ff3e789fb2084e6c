"""Classification losses: each a pure function and a thin registered class."""

from .focal import FocalLoss, focal_loss

__all__ = ["FocalLoss", "focal_loss"]
