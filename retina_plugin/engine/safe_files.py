"""Files that are there whole or not at all, whatever ends the process while they are written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from mmengine.fileio import register_backend
from mmengine.fileio.backends import LocalBackend

from ..errors import UserError

UNFINISHED = ".unfinished-"  # begins the name of a file that is being written


class SafeLocalBackend(LocalBackend):
    """MMEngine's backend of the local disk; a file that it writes replaces the old one at once.

    Inside `removing_later` files are removed only after all that is written there is on the disk.
    """

    # Of all instances: MMEngine makes one for each file.
    _outdated: ClassVar[list[Path] | None] = None

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; see `write_whole`."""
        write_whole(Path(filepath), obj)
        outdated = self._outdated or []
        if Path(filepath) in outdated:
            outdated.remove(Path(filepath))

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        """Write text; see `write_whole`."""
        self.put(obj.encode(encoding), filepath)

    def remove(self, filepath: str | Path) -> None:
        """Remove a file, now or at the end of `removing_later`."""
        if self._outdated is None:
            super().remove(filepath)
        else:
            self._outdated.append(Path(filepath))

    @contextmanager
    def removing_later(self) -> Iterator[None]:
        """Keep what is removed inside until the end, and for good where an error ends it."""
        kind = type(self)
        if kind._outdated is not None:  # one inside another
            yield
            return
        kind._outdated = []
        try:
            yield
            outdated = kind._outdated
        finally:
            kind._outdated = None
        for path in outdated:
            path.unlink(missing_ok=True)


register_backend("retina_plugin.safe_local", SafeLocalBackend, force=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the file, on to the disk, then take the file's place in one step.

    Raises:
        UserError: the disk is full or cannot be written; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, suffix=path.name, dir=path.parent)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            scratch.chmod(_usual_mode())
            scratch.replace(path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): what was saved before is untouched; "
            "make room, then start it again; a training goes on with --resume."
        ) from error


def remove_unfinished(folder: Path) -> int:
    """Remove what killed processes left half written; gives how many files."""
    left = [path for path in folder.glob(f"{UNFINISHED}*") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _usual_mode() -> int:
    """Of a new file; temporary ones are for the user alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk as well, where the system knows how."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(handle)
        finally:
            os.close(handle)
