"""Datasets; importing it registers them."""

from .coco import CocoDataset
from .seeding import SeededBatchSampler, SeededDataset

__all__ = ["CocoDataset", "SeededBatchSampler", "SeededDataset"]
