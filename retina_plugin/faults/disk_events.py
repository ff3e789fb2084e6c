"""Every step by which a run changes its checkpoints on the disk, as something to act on."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Python announces these before they happen.
ANNOUNCED = ("open", "os.rename", "os.remove", "os.rmdir", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR


class DiskEvents:
    """Calls `act(number)` before each step: file opened, half written, synced, renamed, removed.

    Once for the rest of the process, which is why it belongs into a fork.

    Args:
        folder: of the run; what happens elsewhere does not count.
        act: what to do; the number counts from 0.
    """

    def __init__(self, folder: Path, act: Callable[[int], None]) -> None:
        self.count = 0
        self._folder = str(folder.resolve())
        self._act = act
        self._sync, self._open = os.fsync, os.fdopen
        os.fsync = self._before_sync  # type: ignore[assignment]
        os.fdopen = self._opened  # type: ignore[assignment]
        sys.addaudithook(self._announced)

    def _step(self) -> None:
        number = self.count
        self.count += 1
        self._act(number)

    def _announced(self, event: str, arguments: tuple) -> None:
        if event not in ANNOUNCED or not self._is_checkpoint(arguments[0]):
            return
        if event != "open" or (isinstance(arguments[2], int) and arguments[2] & WRITES):
            self._step()

    def _is_checkpoint(self, path: object) -> bool:
        if isinstance(path, bytes) or not isinstance(path, str | os.PathLike):
            return False
        text = os.fspath(path)
        is_kind = text.endswith(".pth") or "last_checkpoint" in text
        return is_kind and os.path.realpath(text).startswith(self._folder)

    def _before_sync(self, handle: int) -> None:
        self._step()
        self._sync(handle)

    def _opened(self, handle: int, *arguments: Any, **options: Any) -> Any:
        file = self._open(handle, *arguments, **options)
        return _HalfWritten(file, self._step) if arguments[:1] == ("wb",) else file


class _HalfWritten:
    """A file with a step in the middle of each write."""

    def __init__(self, file: Any, step: Callable[[], None]) -> None:
        self._file, self._step = file, step

    def write(self, content: bytes) -> int:
        """Write, with a step after the first half."""
        half = len(content) // 2
        self._file.write(content[:half])
        self._file.flush()
        self._step()
        return half + self._file.write(content[half:])

    def __enter__(self) -> "_HalfWritten":
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
