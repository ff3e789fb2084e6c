"""Whether a checkpoint is as it was written: PyTorch does not look at the checksums it writes."""

import tarfile
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
            if _can_swell(archive, path.stat().st_size):
                return "its parts are compressed, which PyTorch never does"
            spoilt = archive.testzip()
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return None if spoilt is None else f"the checksum of its part {spoilt} is wrong"


def _can_swell(archive: zipfile.ZipFile, size: int) -> bool:
    """Whether the parts take more than the `size` bytes of the file when they are read."""
    parts = archive.infolist()
    is_stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
    return not is_stored or sum(part.file_size for part in parts) > size


def _is_legacy(path: Path) -> bool:
    """Whether it begins as a pickle does, and is no tar file, which PyTorch would unpack."""
    with path.open("rb") as file:
        if file.read(1) != b"\x80":
            return False
    return not tarfile.is_tarfile(path)
