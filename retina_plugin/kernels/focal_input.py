"""What every form of the focal loss's sum gets."""

from typing import NamedTuple

from torch import Tensor


class FocalInput(NamedTuple):
    """Anchors of a batch with what they should be classified as."""

    logits: Tensor  # (M, K) in float32, bfloat16 or float16, contiguous
    labels: Tensor  # (M,) int64 in 0..K, K is background
    weights: Tensor  # (M,) float32; 0 leaves an anchor out
    gamma: float  # focusing parameter, >= 0
    alpha: Tensor  # (2, K) float32, weight of the positives and of the negatives of each class
