"""The parts of a config that name data."""

from collections.abc import Iterator

from mmengine.config import Config, ConfigDict

SPLITS = ("train", "val", "test")
# What MMDetection's own COCO configs are written for.
STOCK = {"data_root": "data/coco/", "val_ann_file": "annotations/instances_val2017.json"}


def written_for(cfg: Config) -> dict:
    """What the paths in the config were written for: its `recipe`, or MMDetection's values."""
    return {**STOCK, **cfg.get("recipe", {})}


def _unwrapped(key: str, dataset: ConfigDict) -> Iterator[tuple[str, ConfigDict]]:
    if "dataset" in dataset:
        yield from _unwrapped(f"{key}.dataset", dataset.dataset)
    elif "datasets" in dataset:
        for index, inner in enumerate(dataset.datasets):
            yield from _unwrapped(f"{key}.datasets.{index}", inner)
    else:
        yield key, dataset


def datasets_of(
    cfg: Config, splits: tuple[str, ...] = SPLITS
) -> Iterator[tuple[str, str, ConfigDict]]:
    """Each split's innermost datasets: (split, key in the config, the dataset's config)."""
    for split in splits:
        loader = cfg.get(f"{split}_dataloader")
        if loader:
            for key, dataset in _unwrapped(f"{split}_dataloader.dataset", loader.dataset):
                yield split, key, dataset


def wrappers_of(cfg: Config, splits: tuple[str, ...] = SPLITS) -> Iterator[tuple[str, ConfigDict]]:
    """What stands round each split's innermost datasets: (key in the config, the config)."""
    for split in splits:
        loader = cfg.get(f"{split}_dataloader")
        if loader:
            yield from _wrappers(f"{split}_dataloader.dataset", loader.dataset)


def _wrappers(key: str, dataset: ConfigDict) -> Iterator[tuple[str, ConfigDict]]:
    inner = [(f"{key}.dataset", dataset.dataset)] if "dataset" in dataset else []
    inner += [(f"{key}.datasets.{i}", each) for i, each in enumerate(dataset.get("datasets", []))]
    if inner:
        yield key, dataset
    for inner_key, each in inner:
        yield from _wrappers(inner_key, each)


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
