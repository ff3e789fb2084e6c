"""Type names in a config, held against the registries before anything is built."""

import copy
import difflib
from collections.abc import Iterator

from mmdet.registry import (
    DATASETS,
    EVALUATOR,
    HOOKS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry

from ..errors import UserError
from .datasets import datasets_of, evaluators_of, wrappers_of


def _as_list(section: object) -> list:
    return list(section) if isinstance(section, list | tuple) else [section] if section else []


def _named(cfg: Config, splits: tuple[str, ...]) -> Iterator[tuple[str, object, Registry]]:
    datasets = [(key, dataset) for _, key, dataset in datasets_of(cfg, splits)]
    for key, dataset in [*datasets, *wrappers_of(cfg, splits)]:
        yield key, dataset, DATASETS
        for index, transform in enumerate(dataset.get("pipeline", [])):
            yield f"{key}.pipeline.{index}", transform, TRANSFORMS
    for split in splits:
        yield from _evaluation(cfg, split)
    for name, hook in cfg.get("default_hooks", {}).items():
        yield f"default_hooks.{name}", hook, HOOKS
    for index, hook in enumerate(cfg.get("custom_hooks") or []):
        yield f"custom_hooks.{index}", hook, HOOKS
    if "train" in splits:
        yield from _training(cfg)


def _evaluation(cfg: Config, split: str) -> Iterator[tuple[str, object, Registry]]:
    for key, metric in evaluators_of(cfg, split):
        yield key, metric, METRICS
    whole = cfg.get(f"{split}_evaluator")
    if isinstance(whole, dict) and "metrics" in whole:
        yield f"{split}_evaluator", whole, EVALUATOR


def _training(cfg: Config) -> Iterator[tuple[str, object, Registry]]:
    wrapper = cfg.get("optim_wrapper", {})
    yield "optim_wrapper", wrapper, OPTIM_WRAPPERS
    yield "optim_wrapper.optimizer", wrapper.get("optimizer"), OPTIMIZERS
    for index, scheduler in enumerate(_as_list(cfg.get("param_scheduler"))):
        yield f"param_scheduler.{index}", scheduler, PARAM_SCHEDULERS


def check_names(cfg: Config, splits: tuple[str, ...]) -> None:
    """Looks up each type name, and builds the model once to look up those inside it.

    Raises:
        UserError: a name that no registry has, with the nearest one that it has.
    """
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmdet")):
        for key, section, registry in _named(cfg, splits):
            name = section.get("type") if isinstance(section, dict) else None
            if isinstance(name, str) and registry.get(name) is None:
                raise UserError(f"{key}.type: {_unknown(name, registry)}")
        try:
            MODELS.build(copy.deepcopy(cfg.model))
        except KeyError as error:
            raise UserError(f"model: {str(error.args[0]).partition(chr(10))[0]}") from error


def _unknown(name: str, registry: Registry) -> str:
    close = difflib.get_close_matches(name, list(_known(registry)), n=1, cutoff=0.6)
    hint = f", did you mean {close[0]!r}?" if close else "."
    return f"the registry of {registry.name}s has no {name!r}{hint}"


def _known(registry: Registry) -> Iterator[str]:
    yield from registry.module_dict
    root = registry.parent or registry
    yield from root.module_dict
    for scope, child in root.children.items():
        yield from (f"{scope}.{name}" for name in child.module_dict)
