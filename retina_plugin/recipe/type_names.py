"""Types that a config in MMEngine's pure Python style gives as classes, by their names."""

from collections.abc import Iterator
from typing import Any

import mmengine.registry
from mmengine.config import Config
from mmengine.model import PretrainedInit
from mmengine.registry import Registry

from .datasets import dicts_in
from .report import Change


def name_types(cfg: Config) -> list[Change]:
    """Puts the registered name in the place of each `type` that is a class or a function.

    What is not registered stays. Everything else in this package compares names: by a class, an
    optimiser whose rate scales linearly would be taken for another one.
    """
    for section in dicts_in(list(cfg.values())):
        if callable(section.get("type")):
            section["type"] = registered_name(section["type"])
    return []


def registered_name(kind: Any) -> Any:
    """The name by which a config reaches a class or a function, itself if it has none."""
    if kind is PretrainedInit:
        return "Pretrained"  # under which ours is registered, that checks the weights
    for registry in _registries():
        for name, registered in registry.module_dict.items():
            if registered is kind:
                return name if registry.parent is None else f"{registry.scope}.{name}"
    return kind


def _registries() -> Iterator[Registry]:
    """MMEngine's, then those of other packages, ours and MMDetection's among them."""
    roots = [each for each in vars(mmengine.registry).values() if isinstance(each, Registry)]
    yield from roots
    for root in roots:
        yield from root.children.values()
