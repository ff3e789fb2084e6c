"""How the loss is spread over easy and hard examples of a trained model (figure 4 of the paper)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.utils import unpack_gt_instances
from torch import Tensor

LOWEST, HIGHEST, BINS = -30.0, 30.0, 60_000  # of x_t: steps of a thousandth


@dataclass(frozen=True)
class Examples:
    """How many examples there are at each x_t, the logit that is positive where it is right.

    A foreground example is a positive anchor with its class; every other pair of an anchor that is
    not ignored and a class is one of the background.
    """

    foreground: Tensor  # (BINS,)
    background: Tensor  # (BINS,)

    @classmethod
    def none(cls) -> "Examples":
        """To begin with."""
        return cls(torch.zeros(BINS, dtype=torch.float64), torch.zeros(BINS, dtype=torch.float64))

    def add(self, logits: Tensor, labels: Tensor, used: Tensor) -> None:
        """Count those of anchors: logits (M, K), labels (M,) in 0..K, used (M,) bool."""
        classes = torch.arange(logits.shape[1], device=logits.device)
        positive = labels[:, None] == classes
        kept = used[:, None].expand_as(positive)
        for counts, chosen, sign in (
            (self.foreground, kept & positive, 1),
            (self.background, kept & ~positive, -1),
        ):
            x_t = (sign * logits[chosen]).float().clamp(LOWEST, HIGHEST).cpu()
            counts += torch.histc(x_t, BINS, LOWEST, HIGHEST).double()


def x_t_of_bins() -> Tensor:
    """The middle (BINS,) of each bin."""
    step = (HIGHEST - LOWEST) / BINS
    return LOWEST + step * (torch.arange(BINS, dtype=torch.float64) + 0.5)


@torch.no_grad()
def examples_of(model: Any, batches: Iterable[dict[str, Any]]) -> Examples:
    """Those of a detector with our head over a loader's batches."""
    found = Examples.none()
    for batch in batches:
        data = model.data_preprocessor(batch, False)
        head, samples = model.bbox_head, data["data_samples"]
        x = model.extract_feat(data["inputs"])
        logits = torch.cat(head(x)[0], 1)
        gts, ignored, metas = unpack_gt_instances(samples)
        targets = head.targets(head.grid(x), gts, metas, ignored, "plain")
        found.add(logits.flatten(0, 1), targets.labels.flatten(), targets.used.flatten())
    return found


def cumulative(counts: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Shares of the examples, and of their focal loss, from the easiest to the hardest: (BINS,)."""
    x_t = x_t_of_bins()
    each = -F.logsigmoid(x_t) * torch.exp(gamma * F.logsigmoid(-x_t))
    counts, loss = counts.flip(0), (counts * each).flip(0)
    return counts.cumsum(0) / counts.sum(), loss.cumsum(0) / loss.sum()


def share_of_hardest(counts: Tensor, gamma: float, fraction: float) -> float:
    """The share of the loss that the hardest `fraction` of the examples carries."""
    examples, loss = cumulative(counts, gamma)
    index = int(torch.searchsorted(examples, 1 - fraction).clamp(max=BINS - 1))
    before = (examples[index - 1], loss[index - 1]) if index else (examples[0] * 0, loss[0] * 0)
    step = (examples[index] - before[0]).clamp(min=1e-300)
    inside = (1 - fraction - before[0]) / step  # examples of a bin count as equal
    return float(1 - (before[1] + inside * (loss[index] - before[1])))
