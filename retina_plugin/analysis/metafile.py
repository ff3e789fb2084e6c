"""Reads metafiles, in which projects of OpenMMLab list their models with results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError


def models_in(file: Path) -> list[dict[str, Any]]:
    """The models of a metafile: a list, or under the key `Models`.

    Raises:
        UserError: it is missing, or another kind of file.
    """
    try:
        content = yaml.safe_load(file.read_text())
        models = content["Models"] if isinstance(content, dict) else content
        if isinstance(models, list) and all(isinstance(model, dict) for model in models):
            return models
        reason = "there is no list of models"
    except (OSError, yaml.YAMLError, KeyError, UnicodeDecodeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    raise UserError(f"{file} is expected to be a metafile, YAML with a list Models ({reason}).")


def metrics_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a result; those of boxes without the word."""
    given = result.get("Metrics") or {}
    return {name.removeprefix("box "): value for name, value in given.items()}
