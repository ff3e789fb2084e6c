"""Configs that come as text or as YAML, of which nothing is executed.

A config in Python is a program by design, and is trusted as one. The text of a config in a
checkpoint is not, nor is a YAML file, both of which MMEngine would execute.
"""

import functools
from collections.abc import Callable
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.fileio.handlers import yaml_handler
from mmengine.infer.infer import BaseInferencer

from ..errors import UserError

TUPLE = "tag:yaml.org,2002:python/tuple"


class PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, with the tuples that MMEngine writes into a YAML file."""


PlainLoader.add_constructor(
    TUPLE, lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
)


def install() -> None:
    """Make MMEngine read YAML by `PlainLoader`, and keep inferencers from a checkpoint's config."""
    yaml_handler.Loader = PlainLoader
    if not hasattr(Config._file2dict, "__wrapped__"):
        Config._file2dict = staticmethod(naming_yaml(Config._file2dict))
    if not hasattr(BaseInferencer._init_model, "__wrapped__"):
        BaseInferencer._init_model = needing_config(BaseInferencer._init_model)


def naming_yaml(file2dict: Callable) -> Callable:
    """`Config._file2dict`, whose errors about YAML are one sentence that names the file."""

    @functools.wraps(file2dict)
    def read(filename: str, *arguments: Any, **options: Any) -> Any:
        try:
            return file2dict(filename, *arguments, **options)
        except yaml.YAMLError as error:
            problem = " ".join(str(getattr(error, "problem", None) or error).split())
            raise UserError(
                f"config {filename}: {problem}; a YAML config holds plain values only, so write "
                "what needs Python as a .py config."
            ) from error

    return read


def needing_config(init_model: Callable) -> Callable:
    """`BaseInferencer._init_model`, which executes a checkpoint's config where none is given."""

    @functools.wraps(init_model)
    def build(self: BaseInferencer, cfg: Any, weights: Any, *args: Any, **options: Any) -> Any:
        if not cfg:
            raise UserError(
                f"{type(self).__name__}(weights={weights!r}) was given no config, and the one "
                "that a checkpoint carries as text is not executed: pass model=CONFIG as well."
            )
        return init_model(self, cfg, weights, *args, **options)

    return build
