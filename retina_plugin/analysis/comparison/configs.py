"""What a model is trained, evaluated and measured with: its own config, or a recipe for all."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mmengine.config import Config

from ...engine.launch import completed, read_config, read_file
from ...engine.options import parsed, quoted, refuse
from ...errors import UserError
from ...recipe.classes import heads_of
from ...recipe.datasets import datasets_of
from ...recipe.paths import follow_data_root, full_ann_file
from ...recipe.schedule import rate_factor
from ...recipe.speed import choose_speed
from .candidates import Candidate

# Of a recipe: what comes from each model's own config, and what a training of N minutes sets.
OF_MODELS = ("data_root", "model", "optim_wrapper", "fast", "auto_scale_lr")
OF_TEST = ("test_dataloader", "test_evaluator")
OF_SCHEDULE = (
    *("train_cfg", "param_scheduler", "log_processor", "train_dataloader.sampler"),
    *("default_hooks.checkpoint", "default_hooks.logger"),
)
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
    taken = (*OF_MODELS, *OF_TEST, *(OF_SCHEDULE if arguments.minutes else ()))
    why = "with --data-root it is taken from each model's config, its validation data or --minutes"
    refuse(options, taken, why)
    options = [f"data_root={quoted(f'{arguments.data_root}/')}", *options]
    given = SimpleNamespace(config=str(arguments.recipe), cfg_options=options, **alone)
    recipe = read_config(given)
    check_recipe(recipe, arguments.recipe)
    cfg = combined(candidate, recipe)
    if arguments.amp and not cfg.fast:
        cfg.optim_wrapper.type = MIXED_PRECISION
    cfg = completed(cfg, ("train", "val") if arguments.minutes else ("test",), given, say=None)
    check_data(cfg, arguments.data_root, arguments.recipe)
    return cfg


def check_recipe(recipe: Config, name: Path) -> None:
    """Raise UserError unless a config has the parts that all models are to share."""
    for key in ("train_dataloader", "val_dataloader", "val_evaluator"):
        if not recipe.get(key):
            raise UserError(f"--recipe {name} has no {key}: give a config that can be trained.")


def check_data(cfg: Config, root: Path, recipe: Path) -> None:
    """Raise UserError unless the data of a recipe are those of --data-root, with classes."""
    for _, key, dataset in datasets_of(cfg):
        file = Path(full_ann_file(dataset))
        if not file.resolve().is_relative_to(root.resolve()):
            raise UserError(
                f"--recipe {recipe}: {key} reads {file}, which does not lie in --data-root {root}: "
                "give the recipe a key `recipe`, as configs/_base_/datasets/custom.py has it."
            )
    if any(head.num_classes is None for _, head in heads_of(cfg.model)):
        raise UserError(
            f"--recipe {recipe} leaves the classes open: give it recipe=dict(read_classes=True)."
        )


def _on_its_own(cfg: Config, given: SimpleNamespace) -> Config:
    """A config with its own data if they are there; without any, what building a model needs."""
    for key in ("model", "test_dataloader"):
        if key not in cfg:
            raise UserError(f"{given.config} has no {key}: give a config that can be tested.")
    moved = copy.deepcopy(cfg)
    follow_data_root(moved)
    if has_data(moved) or "data_root" in parsed(given.cfg_options):
        return completed(cfg, ("test",), given, say=None)
    if any(head.num_classes is None for _, head in heads_of(cfg.model)):
        raise UserError(
            f"{given.config} leaves num_classes open, which is read from data: give --data-root."
        )
    choose_speed(cfg)
    return cfg


def has_data(cfg: Config) -> bool:
    """Whether the annotations that a config is to be tested with are there."""
    files = [Path(full_ann_file(dataset)) for _, _, dataset in datasets_of(cfg, ("test",))]
    return bool(files) and all(file.is_file() for file in files)


def combined(candidate: Candidate, recipe: Config) -> Config:
    """A model and its optimizer in the config of another one.

    The recipe gives data, pipelines and hooks; all models are evaluated on its validation data. The
    rate of the model's own schedule is scaled to the recipe's batch, as `scale_schedule` does.

    Raises:
        UserError: the config cannot be read, or has no model.
    """
    own = read_file(str(candidate.path))
    if "model" not in own:
        raise UserError(f"{candidate.path} has no model.")
    cfg = copy.deepcopy(recipe)
    classes = next((head.num_classes for _, head in heads_of(recipe.get("model", {}))), None)
    cfg.model = own.model
    for _, head in heads_of(cfg.model):
        head.num_classes = classes
    for part in ("dataloader", "evaluator"):
        cfg[f"test_{part}"] = copy.deepcopy(cfg[f"val_{part}"])
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
    step = batch * wrapper.get("accumulative_counts", 1)
    wrapper.optimizer.lr *= rate_factor(wrapper.optimizer.type, step / written_for)
    return wrapper
