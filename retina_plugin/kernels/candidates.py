"""Which anchors can hold one of the best (anchor, class) pairs, from one pass over the logits.

The k-th highest of the anchors' own best logits is reached by at least k pairs, so no pair of an
anchor below it is among the k best. What is left is small, and goes through the plain selection.
"""

import torch
from torch import Tensor

# A score is computed again from the chosen logits; so far it may differ from the one here.
SLACK = 1e-5
SMALL = 1 << 16  # logits of an image that are looked at in full
# PyTorch hands the last elements of a thread's share to another exponential than the vectors'.
VECTOR = 64


def promising(logits: Tensor, score_thr: float, nms_pre: int) -> list[Tensor]:
    """For each of N images the anchors (ascending) that `detections.select` may choose from.

    Args:
        logits: (N, R, K) of sigmoids.
        score_thr: pairs at or below it are dropped.
        nms_pre: at most so many pairs are chosen; not positive for all.
    """
    if is_small(logits):
        return [torch.arange(logits.shape[1], device=logits.device)] * len(logits)
    best = logits.amax(dim=-1).float().sigmoid()  # (N, R); NaN stays, to be counted later
    lowest = best.new_full((len(best), 1), score_thr)
    if 0 < nms_pre < best.shape[1]:
        reached = best.topk(nms_pre, dim=1).values[:, -1:]
        lowest = torch.maximum(lowest, reached.nan_to_num(torch.inf))
    passed = ~(best < lowest * (1 - SLACK))
    return [image.nonzero()[:, 0] for image in passed]


def steady_sigmoid(logits: Tensor) -> Tensor:
    """Sigmoid of (R, K) in float32, in which an element's last bit does not hang on its place.

    Without it a detection's score would change with how many anchors were left out before.
    """
    flat = logits.flatten()
    padded = torch.cat([flat, flat.new_zeros(-len(flat) % VECTOR)])
    parts = [part.sigmoid() for part in padded.split(SMALL // 2)]
    return torch.cat(parts)[: len(flat)].view_as(logits)


def is_small(logits: Tensor) -> bool:
    """Whether a level's logits (N, R, K) are few enough to be looked at in full."""
    return logits[0].numel() <= SMALL
