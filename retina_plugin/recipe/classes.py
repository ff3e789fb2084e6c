"""Class names and their number, read from the annotation file and held against the config."""

import colorsys
from collections.abc import Iterator
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict

from ..data.coco_file import check_class_names
from ..errors import UserError
from .annotations import read_annotations
from .datasets import datasets_of, evaluators_of, written_for
from .paths import full_ann_file
from .report import Change

NOT_HEADS = ("backbone", "rpn_head", "semantic_head", "train_cfg", "test_cfg")


def palette(count: int) -> list[tuple[int, int, int]]:
    """`count` colours, red to violet, as RGB in 0..255."""
    hues = (index / max(count, 1) for index in range(count))
    rgb = (colorsys.hsv_to_rgb(hue, 0.85, 0.95) for hue in hues)
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in rgb]


def fill_classes(cfg: Config) -> list[Change]:
    """Fills in `metainfo` and `num_classes` where the `recipe` has read_classes=True.

    Raises:
        UserError: an annotation file cannot be read, or those to train with have other classes.
    """
    if not written_for(cfg).get("read_classes"):
        return []
    changes = []
    names: tuple[str, ...] = ()
    for split, key, dataset in datasets_of(cfg):
        configured = configured_classes(dataset)
        found = configured or classes_in_file(dataset, key)
        names = names or found
        if split == "train" and not configured and set(found) != set(names):
            raise UserError(
                f"{key}: {full_ann_file(dataset)} has the classes {', '.join(found)}, but the "
                f"first file to train with {', '.join(names)}: objects of other classes would "
                "count as background; give the files the same categories, or set metainfo.classes."
            )
        if not configured:
            given = dataset.get("metainfo") or {}
            dataset.metainfo = {"palette": palette(len(names)), **given, "classes": names}
            changes.append(
                Change(f"{key}.metainfo.classes", ", ".join(names), "read from the annotations")
            )
    for key, head in heads_of(cfg.model):
        if head.num_classes is None:
            head.num_classes = len(names)
            changes.append(Change(f"{key}.num_classes", len(names), "follows the classes"))
    return changes


def heads_of(model: ConfigDict, key: str = "model") -> Iterator[tuple[str, ConfigDict]]:
    """The parts of a model that tell classes apart, of RoI heads too: (key, the part's config).

    A backbone's classes are those that it was trained on, a region proposal network has none, and a
    semantic head tells other ones apart.
    """
    for name, part in model.items():
        if name in NOT_HEADS:
            continue
        parts = part if isinstance(part, list | tuple) else [part]
        for index, inner in enumerate(parts):
            inner_key = f"{key}.{name}" + (f".{index}" if parts is part else "")
            if isinstance(inner, dict):
                if "num_classes" in inner:
                    yield inner_key, inner
                yield from heads_of(inner, inner_key)


def configured_classes(dataset: ConfigDict) -> Any:
    """The class names that the config gives a dataset, as it gives them; None without any."""
    return (dataset.get("metainfo") or {}).get("classes")


def class_names(dataset: ConfigDict) -> Any:
    """The class names of a dataset: the config's, or those that its type comes with."""
    kind: Any = DATASETS.get(dataset.get("type", ""))
    return configured_classes(dataset) or getattr(kind, "METAINFO", {}).get("classes")


def classes_in_file(dataset: ConfigDict, key: str) -> tuple[str, ...]:
    """The class names of a dataset's annotation file, in the file's order."""
    return read_annotations(dataset, key).names


def is_coco(dataset: ConfigDict) -> bool:
    """Whether the dataset is MMDetection's CocoDataset or ours, not another one derived from it."""
    kind = DATASETS.get(dataset.get("type", ""))
    return kind is not None and kind.__name__ == "CocoDataset" and issubclass(kind, CocoDataset)


def check_classes(cfg: Config, split: str, key: str, dataset: ConfigDict) -> None:
    """Holds the class names against the annotation file, the model and the evaluator.

    Raises:
        UserError: names that the file lacks, an order other than the file's where MMDetection's
            own dataset or metric numbers them, or a number of classes that is not the model's.
    """
    names = class_names(dataset)
    in_file = classes_in_file(dataset, key)
    try:
        check_class_names(names, in_file, full_ann_file(dataset))
    except UserError as error:
        raise UserError(f"{key}.{error}") from error
    for name, head in heads_of(cfg.model):
        if head.num_classes not in (None, len(names)):
            raise UserError(
                f"{name}.num_classes is {head.num_classes}, but {key} has {len(names)} classes: "
                f"set it to {len(names)}."
            )
    if [name for name in in_file if name in names] != list(names):
        _check_order(cfg, split, key, dataset)


def check_same_classes(datasets: list[tuple[str, ConfigDict]]) -> None:
    """Holds the class names of all datasets against each other: a label is a place among them.

    Raises:
        UserError: two datasets have other names, or the same in another order.
    """
    for key, dataset in datasets[1:]:
        (first_key, first), own = datasets[0], class_names(dataset)
        if list(own) != list(class_names(first)):
            raise UserError(
                f"{key}.metainfo.classes are {', '.join(own)}, those of {first_key} "
                f"{', '.join(class_names(first))}: labels would mean other classes; set both to "
                "the same names in the same order."
            )


def _check_order(cfg: Config, split: str, key: str, dataset: ConfigDict) -> None:
    """Holds who numbers labels in the file's order against classes in another one."""
    evaluators = evaluators_of(cfg, split) if split != "train" else ()
    parts = [(key, dataset, "retina_plugin.CocoDataset")]
    parts += [(name, part, "retina_plugin.CocoMetric") for name, part in evaluators]
    for name, part, ours in parts:
        if part.get("type") in (ours.partition(".")[2], f"mmdet.{ours.partition('.')[2]}"):
            raise UserError(
                f"{key}.metainfo.classes: the order is not that of {full_ann_file(dataset)}, by "
                f"which MMDetection numbers the labels: set {name}.type to {ours}."
            )
