"""The models to compare: configs of ours and of MMDetection's zoo, with or without weights."""

import importlib.util
from collections import Counter
from collections.abc import Sequence
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
    if len(set(specs)) < len(specs):
        twice = Counter(specs).most_common(1)[0][0]
        raise UserError(f"the model {twice} is named twice.")
    pairs = [spec.partition("=") for spec in specs]
    paths = [path_of(config) for config, _, _ in pairs]
    times = Counter(path.stem for path in paths)
    return [
        Candidate(
            path.stem if times[path.stem] == 1 else f"{path.stem} ({Path(weights).stem})",
            path,
            existing_checkpoint(weights, config) if weights else None,
        )
        for path, (config, _, weights) in zip(paths, pairs, strict=True)
    ]


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
