"""The parts of a config that name data."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

ANNOTATIONS = re.compile(r"Load\w*Annotations")
SPLITS = ("train", "val", "test")
# What MMDetection's own COCO configs are written for.
STOCK = {"data_root": "data/coco/", "val_ann_file": "annotations/instances_val2017.json"}


def written_for(cfg: Config) -> dict:
    """What the paths in the config were written for: its `recipe`, or MMDetection's values."""
    return {**STOCK, **cfg.get("recipe", {})}


def _levels(cfg: Config, splits: tuple[str, ...]) -> Iterator[tuple[str, str, ConfigDict, bool]]:
    """Each split's datasets from outside to inside, and whether one is innermost."""
    for split in splits:
        loader = cfg.get(f"{split}_dataloader")
        if loader:
            for level in _levels_in(f"{split}_dataloader.dataset", loader.dataset):
                yield split, *level


def _levels_in(key: str, dataset: ConfigDict) -> Iterator[tuple[str, ConfigDict, bool]]:
    inner = [(f"{key}.dataset", dataset.dataset)] if "dataset" in dataset else []
    inner += [(f"{key}.datasets.{i}", each) for i, each in enumerate(dataset.get("datasets", []))]
    yield key, dataset, not inner
    for inner_key, each in inner:
        yield from _levels_in(inner_key, each)


def datasets_of(
    cfg: Config, splits: tuple[str, ...] = SPLITS
) -> Iterator[tuple[str, str, ConfigDict]]:
    """Each split's innermost datasets: (split, key in the config, the dataset's config)."""
    for split, key, dataset, is_innermost in _levels(cfg, splits):
        if is_innermost:
            yield split, key, dataset


def wrappers_of(cfg: Config, splits: tuple[str, ...] = SPLITS) -> Iterator[tuple[str, ConfigDict]]:
    """What stands round each split's innermost datasets: (key in the config, the config)."""
    for _, key, dataset, is_innermost in _levels(cfg, splits):
        if not is_innermost:
            yield key, dataset


def evaluators_of(cfg: Config, split: str) -> Iterator[tuple[str, ConfigDict]]:
    """The metrics of a split, one, a list or those of an evaluator: (key, the metric's config)."""
    key, evaluators = f"{split}_evaluator", cfg.get(f"{split}_evaluator")
    if isinstance(evaluators, dict) and "metrics" in evaluators:
        key, evaluators = f"{key}.metrics", evaluators["metrics"]
    if isinstance(evaluators, dict):
        yield key, evaluators
    else:
        for index, evaluator in enumerate(evaluators or []):
            yield f"{key}.{index}", evaluator


def dicts_in(content: Any) -> Iterator[dict]:
    """All dicts of a config's nested dicts and lists, from outside to inside."""
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    for inner in content if isinstance(content, list | tuple) else ():
        yield from dicts_in(inner)


def without(keys: Collection[str], content: Any) -> Any:
    """Nested dicts and lists of a config without some keys."""
    if isinstance(content, dict):
        return {key: without(keys, each) for key, each in content.items() if key not in keys}
    return [without(keys, each) for each in content] if isinstance(content, list) else content


def loads_annotations(transform: dict) -> bool:
    """Whether a transform of any scope loads what an image is annotated with."""
    return bool(ANNOTATIONS.fullmatch(transform["type"].rpartition(".")[2]))


def pipelines_of(cfg: Config) -> Iterator[tuple[str, list]]:
    """Every list of transforms that a loader or the test-time augmentation uses."""
    for _, key, dataset in datasets_of(cfg):
        if "pipeline" in dataset:
            yield f"{key}.pipeline", dataset.pipeline
    for key, wrapper in wrappers_of(cfg):
        if "pipeline" in wrapper:
            yield f"{key}.pipeline", wrapper.pipeline
    if "tta_pipeline" in cfg:
        yield "tta_pipeline", cfg.tta_pipeline
