"""Alpha of each class from how often it occurs (section 3.1 of the paper)."""

from collections import Counter

from mmengine.config import Config

from ..errors import UserError
from .annotations import read_annotations
from .classes import class_names
from .datasets import datasets_of
from .report import Change

KEY = "inverse_frequency"
HIGHEST = 0.99


def weigh_classes(cfg: Config) -> list[Change]:
    """Replaces `loss_cls.alpha = dict(inverse_frequency=A)` by a number for each class.

    The numbers are in inverse proportion to the objects of the class in the training data, at most
    0.99, and A on the average over all objects. A class without objects gets A.

    Raises:
        UserError: A is not in (0, 1), or the classes are not known.
    """
    loss = cfg.get("model", {}).get("bbox_head", {}).get("loss_cls", {})
    asked = loss.get("alpha")
    if not isinstance(asked, dict):
        return []
    mean = asked.get(KEY)
    if list(asked) != [KEY] or not isinstance(mean, int | float) or not 0 < mean < 1:
        raise UserError(
            f"model.bbox_head.loss_cls.alpha expects a number, a list, or dict({KEY}=A) with A in "
            f"(0, 1), but got {dict(asked)}."
        )
    counts, classes = Counter[str](), None
    for _, key, dataset in datasets_of(cfg, ("train",)):
        counts.update(read_annotations(dataset, key).objects)
        classes = classes or class_names(dataset)
    if not classes:
        raise UserError(
            f"model.bbox_head.loss_cls.alpha=dict({KEY}=...) needs the names of the classes: set "
            "train_dataloader.dataset.metainfo.classes."
        )
    loss.alpha = alphas([counts[name] for name in classes], mean)
    said = ", ".join(f"{name} {alpha:.2g}" for name, alpha in zip(classes, loss.alpha, strict=True))
    return [Change("model.bbox_head.loss_cls.alpha", said, "by inverse frequency")]


def alphas(counts: list[int], mean: float) -> list[float]:
    """Alpha of each class from its number of objects."""
    share = mean * sum(counts) / max(sum(count > 0 for count in counts), 1)
    return [min(share / count, HIGHEST) if count else mean for count in counts]
