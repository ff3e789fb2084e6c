"""Datasets; importing it registers them."""

from .coco import CocoDataset

__all__ = ["CocoDataset"]
