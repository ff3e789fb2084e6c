"""Paths follow `data_root`; evaluators follow their dataset."""

import os
from collections.abc import Iterator

from mmengine.config import Config, ConfigDict
from mmengine.utils import is_abs

from ..data import storage
from ..errors import UserError
from .datasets import datasets_of, evaluators_of, written_for
from .report import Change


def full_ann_file(dataset: ConfigDict) -> str:
    """The annotation file of a dataset, as the dataset itself will open it."""
    return _joined(dataset.get("data_root"), dataset.get("ann_file"))


def image_folder(dataset: ConfigDict) -> str:
    """The folder of a dataset's images, as the dataset itself will open them."""
    return _joined(dataset.get("data_root"), (dataset.get("data_prefix") or {}).get("img"))


def _joined(root: str | None, name: str | None) -> str:
    """A path below the root; an absolute one, or an address, stays as it is."""
    return name if name and is_abs(name) else os.path.join(root or "", name or "")


def is_on_disk(dataset: ConfigDict, *paths: str) -> bool:
    """Whether these paths of a dataset are of this machine."""
    return storage.is_on_disk(list(paths), dataset.get("backend_args"))


def follow_data_root(cfg: Config) -> list[Change]:
    """Moves the datasets that still have the `data_root` which the config was written for.

    An evaluator that names the file of such a dataset moves with it. Beside a dataset that has the
    new root already, the old one was set by hand as well, and stays.
    """
    written = written_for(cfg)["data_root"]
    root = cfg.get("data_root", written)
    by_hand = {split for split, _, each in datasets_of(cfg) if each.get("data_root") == root}
    changes = []
    for split, key, dataset in datasets_of(cfg):
        is_old = dataset.get("data_root") == written != root
        if is_old and split in by_hand:
            reason = "WARNING: stays, as another dataset beside it has data_root already"
            changes.append(Change(f"{key}.data_root", written, reason))
        elif is_old:
            changes += _move(cfg, split, key, dataset, root)
    roots = [dataset.get("data_root") for _, _, dataset in datasets_of(cfg)]
    if root != written and root not in roots:
        changes.append(Change("data_root", root, "WARNING: no dataset reads this key"))
    return changes


def _move(cfg: Config, split: str, key: str, dataset: ConfigDict, root: str) -> Iterator[Change]:
    before = full_ann_file(dataset)
    dataset.data_root = root
    yield Change(f"{key}.data_root", root, "follows data_root")
    for name, evaluator in evaluators_of(cfg, split):
        if dataset.get("ann_file") and evaluator.get("ann_file") == before:
            evaluator.ann_file = full_ann_file(dataset)
            yield Change(f"{name}.ann_file", evaluator.ann_file, f"follows {split}_dataloader")


def point_evaluators(cfg: Config) -> list[Change]:
    """Points each evaluator at its dataset's annotation file, unless another one was named.

    The metrics of a MultiDatasetsEvaluator are pointed at the files in their order.

    Raises:
        UserError: one metric is to evaluate several files.
    """
    written = written_for(cfg)
    root, file = written["data_root"], written["val_ann_file"]
    defaults = ("", root + file, _joined(root, file))
    changes = []
    for split in ("val", "test"):
        files = [full_ann_file(dataset) for _, _, dataset in datasets_of(cfg, (split,))]
        for index, (key, evaluator) in enumerate(evaluators_of(cfg, split)):
            if not files or evaluator.get("ann_file") not in defaults:
                continue
            file = _file_of(index, files, key, split)
            if evaluator.ann_file != file:
                evaluator.ann_file = file
                changes.append(Change(f"{key}.ann_file", file, f"follows {split}_dataloader"))
    return changes


def _file_of(index: int, files: list[str], key: str, split: str) -> str:
    if f"{split}_evaluator.metrics." in key and index < len(files):
        return files[index]
    if len(set(files)) > 1:
        raise UserError(
            f"{split}_dataloader reads {', '.join(files)}, but {key} can hold one file: merge "
            "them, or use MultiDatasetsEvaluator with a metric for each."
        )
    return files[0]


def remember_paths(cfg: Config) -> list[Change]:
    """Enters in `recipe` where the data lie now: what training saves can be moved once more.

    A config without a `recipe` gets none.
    """
    recipe, root = cfg.get("recipe"), cfg.get("data_root")
    roots = [dataset.get("data_root") for _, _, dataset in datasets_of(cfg)]
    if not recipe or root is None or root not in roots:
        return []
    recipe.data_root = root
    evaluated = [dataset for _, _, dataset in datasets_of(cfg, ("val", "test"))]
    files = {(dataset.get("data_root"), dataset.get("ann_file")) for dataset in evaluated}
    # Of several, an evaluator of one with the file of another was set by hand.
    if len(files) == 1 and evaluated[0].get("data_root") == root:
        recipe.val_ann_file = evaluated[0].get("ann_file") or ""
    return []
