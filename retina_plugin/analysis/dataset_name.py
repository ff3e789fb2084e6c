"""Names datasets, so that results of different ones are never taken for one."""

import hashlib
from pathlib import Path

from ..errors import UserError


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
