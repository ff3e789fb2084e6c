"""The models to compare: configs of ours and of MMDetection's zoo, with or without weights."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...engine.launch import existing_checkpoint
from ...errors import UserError

ZOO = "mmdet::"


@dataclass(frozen=True)
class Candidate:
    """A model of the comparison."""

    name: str  # in the table: the config's, and the checkpoint's where a config comes twice
    path: Path  # of the config
    checkpoint: str | None


def candidates(specs: Sequence[str]) -> list[Candidate]:
    """The models that are named, as `CONFIG` or `CONFIG=CHECKPOINT`.

    Args:
        specs: a config is a file, or `mmdet::FOLDER/NAME.py` of MMDetection's zoo.

    Raises:
        UserError: a file is missing, or two models are the same.
    """
    named = [_named(spec) for spec in specs]
    for path, weights in named:
        if [(one.resolve(), other) for one, other in named].count((path.resolve(), weights)) > 1:
            raise UserError(f"the model {path} is named twice.")
    names = unique_names(named)
    return [Candidate(name, *pair) for name, pair in zip(names, named, strict=True)]


def _named(spec: str) -> tuple[Path, str | None]:
    config, equals, weights = spec.partition("=")
    if not equals or Path(spec).is_file():
        return path_of(spec), None
    if not weights:
        raise UserError(f"{spec}: the name of a checkpoint is expected after =, but there is none.")
    return path_of(config), existing_checkpoint(weights, config)


def unique_names(named: Sequence[tuple[Path, str | None]]) -> list[str]:
    """The shortest name of each config with its checkpoint that no other one has."""
    levels = [[label(path, weights) for path, weights in named] for label in LABELS]
    names = [
        next((level[i] for level in levels if level.count(level[i]) == 1), levels[-1][i])
        for i in range(len(named))
    ]
    # A short name of one may be a longer name of another: a_m.py, and m.py in a.
    return next((level for level in [names, *levels] if len({*level}) == len(level)), levels[-1])


def _with_weights(name: str, weights: str) -> str:
    return f"{name} ({weights})" if weights else name


# Names of a model, from short to long; one without weights names files too, so it has no slash.
LABELS: tuple[Callable[[Path, str | None], str], ...] = (
    lambda path, _: path.stem,
    lambda path, weights: _with_weights(path.stem, Path(weights or "").stem),
    lambda path, weights: _with_weights(
        f"{path.parent.name}_{path.stem}", "/".join(Path(weights or "").parts[-2:])
    ),
    lambda path, weights: _with_weights("_".join(path.resolve().parts[1:]), weights or ""),
)


def path_of(config: str) -> Path:
    """The file of a config.

    Raises:
        UserError: there is none.
    """
    path = Path(config)
    if config.startswith(ZOO):
        found = importlib.util.find_spec("mmdet")
        assert found is not None and found.origin is not None
        path = Path(found.origin).parent / ".mim" / "configs" / config.removeprefix(ZOO)
    if not path.is_file():
        raise UserError(f"there is no config {config}: give a file, or {ZOO}FOLDER/NAME.py.")
    return path
