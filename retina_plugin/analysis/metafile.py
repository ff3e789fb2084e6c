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


def results_of(model: Mapping[str, Any], file: Path) -> list[dict[str, Any]]:
    """The results of a model: each with a text Dataset, and Metrics by names.

    Raises:
        UserError: they have another form.
    """
    results = model.get("Results") or []
    if isinstance(results, list) and all(map(_is_result, results)):
        return results
    raise UserError(
        f"{file}: Results of {model.get('Name')} are expected to be a list, each with the name of "
        f"a Dataset and with Metrics by their names, but are {results!r:.100}."
    )


def _is_result(result: Any) -> bool:
    if not isinstance(result, dict) or not isinstance(result.get("Dataset", ""), str):
        return False
    metrics = result.get("Metrics") or {}
    return isinstance(metrics, dict) and all(isinstance(name, str) for name in metrics)


def metrics_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a result; those of boxes without the word."""
    given = result.get("Metrics") or {}
    return {name.removeprefix("box "): value for name, value in given.items()}
