"""Paths follow `data_root`; evaluators follow their dataset."""

import os

from mmengine.config import Config, ConfigDict

from .datasets import datasets_of, evaluators_of, written_for
from .report import Change


def full_ann_file(dataset: ConfigDict) -> str:
    """The annotation file of a dataset, as the dataset itself will open it."""
    return os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")


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
    """Points each evaluator at its dataset's annotation file, unless another one was named."""
    written = written_for(cfg)
    defaults = ("", written["data_root"] + written["val_ann_file"])
    changes = []
    for split in ("val", "test"):
        files = [full_ann_file(dataset) for _, _, dataset in datasets_of(cfg, (split,))]
        for key, evaluator in evaluators_of(cfg, split):
            if files and evaluator.get("ann_file") in defaults and evaluator.ann_file != files[0]:
                evaluator.ann_file = files[0]
                changes.append(Change(f"{key}.ann_file", files[0], f"follows {split}_dataloader"))
    return changes
