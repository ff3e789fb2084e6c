"""Names datasets, so that results of different ones are never taken for one."""

import hashlib
from pathlib import Path

from mmengine.config import Config

from ..errors import UserError
from ..recipe.datasets import datasets_of
from ..recipe.paths import full_ann_file


def data_of(root: Path) -> str:
    """Name and digest of a folder in COCO format.

    Raises:
        UserError: it holds no annotations.
    """
    files = sorted((root / "annotations").glob("*.json"))
    if not files:
        raise UserError(f"--data-root: {root / 'annotations'} holds no JSON file.")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return f"{root.resolve().name} {digest[:12]}"


def evaluation_data(cfg: Config, split: str = "val") -> str:
    """The annotations that a config evaluates with: names, and digests where the files are."""
    files = {full_ann_file(dataset) for _, _, dataset in datasets_of(cfg, (split,))}
    return ", ".join(_digest(Path(file)) for file in sorted(files)) or "none"


def _digest(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else "not there"
    return f"{file.name} ({digest})"
