"""Paths that a file of annotations names must not lead out of the data's folder."""

import os
import posixpath
from functools import lru_cache

from .entries import Entries


def leaves(path: str) -> bool:
    """Whether a relative path, as it is written, names something above its folder or elsewhere.

    Backslashes and drive letters count as they would on Windows.
    """
    plain = path.replace("\\", "/")
    if plain.startswith("/") or "://" in plain or plain[1:3] == ":/":
        return True
    return ".." in plain and posixpath.normpath(plain).startswith("..")


def check_file_names(images: Entries, names: list[str], allow_outside: bool) -> None:
    """Holds the names of the images against what a path may be.

    Raises:
        UserError: a name that is no path, or one that leads out of the folder.
    """
    for index, name in enumerate(names):
        if not name.isprintable() and not _can_be_a_path(name):
            images.fail(index, "file_name", "a path without control characters")
        if not allow_outside and leaves(name):
            images.fail(
                index, "file_name", "a path inside the data's folder, unless allow_outside=True"
            )


def _can_be_a_path(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return min(name) >= " "


def is_inside(path: str, folders: tuple[str, ...]) -> bool:
    """Whether a path, its links followed, lies in one of the folders, which hold no links."""
    folder, name = os.path.split(path)
    is_plain = name not in ("", ".", "..") and not os.path.islink(path)
    real = os.path.join(_real_folder(folder), name) if is_plain else os.path.realpath(path)
    return any(real.startswith(os.path.join(folder, "")) for folder in folders)


@lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    """Links are followed once; images of a dataset lie in few folders."""
    return os.path.realpath(folder)
