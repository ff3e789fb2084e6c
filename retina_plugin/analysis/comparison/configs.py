"""What a model is trained, evaluated and measured with: its own config, or a recipe for all."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mmengine.config import Config

from ...engine.launch import completed, read_config, read_file
from ...errors import UserError
from ...recipe.classes import heads_of
from ...recipe.datasets import datasets_of
from ...recipe.paths import full_ann_file
from ...recipe.speed import choose_speed
from .candidates import Candidate

# MMEngine's wrapper of mixed precision refuses a machine without GPU; ours computes the same.
MIXED_PRECISION = "retina_plugin.MixedPrecisionOptimWrapper"


def config_of(candidate: Candidate, arguments: SimpleNamespace) -> Config:
    """A model's config, in the data and pipelines that all share if there is a `data_root`.

    Args:
        candidate: the model.
        arguments: of tools/compare.py.

    Raises:
        UserError: a config, or the data that it names, cannot be used.
    """
    alone: dict[str, Any] = {"launcher": "none", "local_rank": 0, "work_dir": str(arguments.out)}
    options = list(arguments.cfg_options)
    if not arguments.data_root:
        given = SimpleNamespace(config=str(candidate.path), cfg_options=options, **alone)
        return _on_its_own(read_config(given), given)
    options = [f"data_root={arguments.data_root}/", *options]
    given = SimpleNamespace(config=str(arguments.recipe), cfg_options=options, **alone)
    cfg = combined(candidate, read_config(given))
    if arguments.amp and not cfg.fast:
        cfg.optim_wrapper.type = MIXED_PRECISION
    splits = ("train", "val") if arguments.minutes else ("test",)
    return completed(cfg, splits, given, say=None)


def _on_its_own(cfg: Config, given: SimpleNamespace) -> Config:
    """A config with its own data if they are there; without any, what building a model needs."""
    for key in ("model", "test_dataloader"):
        if key not in cfg:
            raise UserError(f"{given.config} has no {key}: give a config that can be tested.")
    if has_data(cfg):
        return completed(cfg, ("test",), given, say=None)
    if any(head.num_classes is None for _, head in heads_of(cfg.model)):
        raise UserError(
            f"{given.config} leaves num_classes open, which is read from data: give --data-root."
        )
    choose_speed(cfg)
    return cfg


def has_data(cfg: Config) -> bool:
    """Whether the annotations that a config is to be tested with are there."""
    return all(
        Path(full_ann_file(dataset)).is_file() for _, _, dataset in datasets_of(cfg, ("test",))
    )


def combined(candidate: Candidate, recipe: Config) -> Config:
    """A model and its optimizer in the config of another one.

    The recipe gives data, pipelines and hooks. The rate of the model's own schedule is scaled to
    the recipe's batch (linearly: Goyal et al., arXiv 1706.02677).

    Raises:
        UserError: the config cannot be read, or has no model.
    """
    own = read_file(str(candidate.path))
    if "model" not in own:
        raise UserError(f"{candidate.path} has no model.")
    cfg = copy.deepcopy(recipe)
    classes = recipe.model.bbox_head.num_classes
    cfg.model = own.model
    for _, head in heads_of(cfg.model):
        head.num_classes = classes
    cfg.fast = own.get("fast", False)
    if own.get("optim_wrapper"):
        cfg.optim_wrapper = _scaled(own, cfg.train_dataloader.batch_size)
    cfg.auto_scale_lr = {"enable": False, "base_batch_size": cfg.train_dataloader.batch_size}
    return cfg


def _scaled(own: Config, batch: int) -> dict:
    """The optimizer of a config for another batch."""
    wrapper = copy.deepcopy(own.optim_wrapper)
    if wrapper.type.removeprefix("mmengine.") == "AmpOptimWrapper":
        wrapper.type = MIXED_PRECISION
        wrapper.pop("loss_scale", None)
    written_for = own.get("auto_scale_lr", {}).get("base_batch_size", batch)
    wrapper.optimizer.lr *= batch / written_for
    return wrapper
