"""Paths follow `data_root`; evaluators follow their dataset."""

import os

from mmengine.config import Config, ConfigDict

from ..data import storage
from ..errors import UserError
from .datasets import datasets_of, evaluators_of, written_for
from .report import Change


def full_ann_file(dataset: ConfigDict) -> str:
    """The annotation file of a dataset, as the dataset itself will open it."""
    return os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")


def is_on_disk(dataset: ConfigDict) -> bool:
    """Whether a dataset's annotations and images are files of this machine."""
    return storage.is_on_disk([full_ann_file(dataset)], dataset.get("backend_args"))


def follow_data_root(cfg: Config) -> list[Change]:
    """Moves the datasets that still have the `data_root` which the config was written for."""
    written = written_for(cfg)["data_root"]
    root = cfg.get("data_root", written)
    changes = []
    for _, key, dataset in datasets_of(cfg):
        if dataset.get("data_root") == written != root:
            dataset.data_root = root
            changes.append(Change(f"{key}.data_root", root, "follows data_root"))
    roots = [dataset.get("data_root") for _, _, dataset in datasets_of(cfg)]
    if root != written and root not in roots:
        changes.append(Change("data_root", root, "WARNING: no dataset reads this key"))
    return changes


def point_evaluators(cfg: Config) -> list[Change]:
    """Points each evaluator at its dataset's annotation file, unless another one was named.

    The metrics of a MultiDatasetsEvaluator are pointed at the files in their order.

    Raises:
        UserError: one metric is to evaluate several files.
    """
    written = written_for(cfg)
    defaults = ("", written["data_root"] + written["val_ann_file"])
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
