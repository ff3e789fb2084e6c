"""Whether a checkpoint is as it was written: PyTorch does not look at the checksums it writes."""

import zipfile
from pathlib import Path

ZIP_BEGINNING = b"PK\x03\x04"


def damage(path: Path) -> str | None:
    """What is wrong with the file as a container, None if nothing can be seen.

    Every part of a file of today's PyTorch carries a checksum, which is compared; files from
    before PyTorch 1.6 have none.

    Args:
        path: of a checkpoint.
    """
    try:
        if path.stat().st_size == 0:
            return "it is empty"
        with path.open("rb") as file:
            if file.read(len(ZIP_BEGINNING)) != ZIP_BEGINNING:
                return None if _is_legacy(path) else "it is no checkpoint of PyTorch"
        with zipfile.ZipFile(path) as archive:
            spoilt = archive.testzip()
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return None if spoilt is None else f"the checksum of its part {spoilt} is wrong"


def _is_legacy(path: Path) -> bool:
    """Whether it begins as a pickle does."""
    with path.open("rb") as file:
        return file.read(1) == b"\x80"
