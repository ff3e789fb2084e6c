"""Whether a training had the settings of its row."""

import re
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...engine.launch import read_file
from ...recipe import resolve
from ...recipe.datasets import without
from ...recipe.schedule import LENGTHS, real_batch, schedulers_of

GPUS = re.compile(r"GPU number: (\d+)")
SHOWN = 2  # settings in a message
NO_SETTINGS = ("model.backbone.init_cfg.checkpoint",)  # a file may lie elsewhere
# Of a dataset or an evaluator: which data, which are compared between rows, and what has an own
# entry.
NAMES_OF_DATA = (
    *("data_root", "ann_file", "data_prefix", "metainfo", "backend_args"),
    *("pipeline", "outfile_prefix"),
)


def why_not(text: str, cfg: Config, config: Path) -> str:
    """Why a run is not of a row; empty if it is.

    Args:
        text: MMEngine's log of it.
        cfg: that it was made with.
        config: file of the row.
    """
    others = differences(settings_of(cfg), settings_of(_expected(config, cfg)))
    if others:
        return f"is another experiment: {'; '.join(others[:SHOWN])}"
    gpus, written_for = GPUS.search(text), cfg.auto_scale_lr.base_batch_size
    seen = real_batch(cfg, int(gpus.group(1))).step if gpus else written_for
    if seen != written_for:
        return f"saw {seen} images a step, but its schedule is for {written_for}"
    return ""


def _expected(config: Path, cfg: Config) -> Config:
    """A row's config, filled in as a run's was."""
    own = read_file(str(config))
    own.fast = cfg.get("fast", own.get("fast"))  # another runtime is the same experiment
    return resolve(own, say=None)


def settings_of(cfg: Config) -> dict[str, Any]:
    """What makes the experiment, by the image where it depends on the number of GPUs."""
    batch, optimizer = cfg.auto_scale_lr.base_batch_size, dict(cfg.optim_wrapper.optimizer)
    optimizer["lr of an image"] = round(optimizer.pop("lr") / batch, 9)
    length = cfg.train_cfg.max_iters
    return {
        "model": cfg.get("model", {}),
        "optimizer": optimizer,
        "clip_grad": cfg.optim_wrapper.get("clip_grad"),
        "paramwise_cfg": cfg.optim_wrapper.get("paramwise_cfg"),
        "custom_hooks": cfg.get("custom_hooks") or [],
        "sampler": without(("seed",), cfg.train_dataloader.get("sampler")),
        "batch_sampler": cfg.train_dataloader.get("batch_sampler"),
        "images": round(length * batch // real_batch(cfg, 1).accumulated, -3),
        "schedule": [_by_length(each, length) for _, each in schedulers_of(cfg)],
        "load_from": cfg.get("started_from" if cfg.get("resume") else "load_from"),
        "training pipeline": cfg.train_dataloader.dataset.pipeline,
        "evaluation pipeline": cfg.val_dataloader.dataset.pipeline,
        "training data": without(NAMES_OF_DATA, cfg.train_dataloader.dataset),
        "evaluation data": without(NAMES_OF_DATA, cfg.val_dataloader.dataset),
        "evaluator": without(NAMES_OF_DATA, cfg.val_evaluator),
    }


def _by_length(scheduler: dict[str, Any], iterations: int) -> dict[str, Any]:
    """A scheduler whose lengths are shares of the training."""
    return {
        key: _share(value, iterations)
        if key in LENGTHS and not scheduler.get("by_epoch", True)
        else value
        for key, value in scheduler.items()
    }


def _share(length: Any, iterations: int) -> Any:
    if isinstance(length, list | tuple):
        return [_share(each, iterations) for each in length]
    return round(length / iterations, 3)  # of other numbers of GPUs they are rounded


def differences(given: Any, wanted: Any, name: str = "") -> list[str]:
    """The settings in which a config differs from another, in words."""
    if name in NO_SETTINGS:
        return []
    if isinstance(given, list | tuple) and isinstance(wanted, list | tuple):
        given, wanted = dict(enumerate(given)), dict(enumerate(wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        keys = [*given, *(key for key in wanted if key not in given)]
        prefix = f"{name}." if name else ""
        return [
            difference
            for key in keys
            for difference in differences(given.get(key), wanted.get(key), f"{prefix}{key}")
        ]
    return [] if given == wanted else [f"{name} is {given!r}, the row's {wanted!r}"]
