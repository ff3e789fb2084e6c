"""Checkpoint files that make a folder where they are unpickled without care."""

import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

Writer = Callable[[Path, Path], None]  # (the file, the mark that it makes where it is executed)


class Call:
    """Pickles as a call, whose function and arguments may be calls themselves."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        """Function and arguments."""
        return self.call

    def __call__(self) -> None:
        """Never called; what is not callable cannot be pickled as a function."""


def command(mark: Path) -> str:
    """Python that makes the mark, without an import statement."""
    return f"__import__('os').mkdir({str(mark)!r})"


def make_folder(mark: Path) -> Call:
    """The plainest one."""
    return Call(os.mkdir, str(mark))


def _builtins(mark: Path) -> Call:
    """To `exec`, by attributes of what is allowed."""
    names = Call(getattr, HistoryBuffer.min, "__globals__")
    builtins = Call(Call(getattr, names, "get"), "__builtins__")
    return Call(Call(Call(getattr, builtins, "get"), "exec"), command(mark))


def saved(make: Callable[[Path], Any], **options: Any) -> Writer:
    """Among the meta data of a checkpoint by `torch.save`."""

    def write(path: Path, mark: Path) -> None:
        torch.save({"state_dict": {"weight": torch.ones(2)}, "meta": make(mark)}, path, **options)

    return write


def pickled(protocol: int) -> Writer:
    """A plain pickle."""

    def write(path: Path, mark: Path) -> None:
        path.write_bytes(pickle.dumps({"meta": make_folder(mark)}, protocol=protocol))

    return write


def _tar(path: Path, mark: Path) -> None:
    """PyTorch's first format."""
    parts = {"storages": 0, "tensors": 0, "pickle": make_folder(mark)}
    with tarfile.open(path, "w") as archive:
        for name, content in parts.items():
            data = pickle.dumps(content, protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, BytesIO(data))


def _script(path: Path, mark: Path) -> None:
    """What TorchScript's archives look like."""
    saved(make_folder)(path, mark)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{path.stem}/constants.pkl", pickle.dumps(make_folder(mark), 2))


def _bomb(path: Path, mark: Path) -> None:  # noqa: ARG001
    """A few kB that unfold to 16 MB; it could be 16 GB."""
    torch.save({"state_dict": {"weight": torch.zeros(4 * 2**20)}}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


REFUSED = "asks for"
# What kind of file, who writes it, and what the sentence says.
LOCAL: dict[str, tuple[Writer, str]] = {
    "function": (saved(make_folder), REFUSED),
    "exec": (saved(lambda mark: Call(exec, command(mark))), REFUSED),
    "getattr of a buffer": (
        saved(lambda mark: Call(Call(getattr, HistoryBuffer, "__init__"), str(mark))),
        REFUSED,
    ),
    "getattr up to builtins": (saved(_builtins), REFUSED),
    "numpy object array": (
        saved(lambda mark: np.array([make_folder(mark)], dtype=object)),
        REFUSED,
    ),
    "format before PyTorch 1.6": (
        saved(make_folder, _use_new_zipfile_serialization=False),
        REFUSED,
    ),
    "plain pickle, protocol 2": (pickled(2), "cannot be read as a checkpoint|asks for"),
    "plain pickle, protocol 4": (pickled(4), "cannot be read as a checkpoint|asks for"),
    "tar of PyTorch 0.1": (_tar, "cannot be read as a checkpoint"),
    "TorchScript": (_script, "cannot be read as a checkpoint"),
    "zip bomb": (_bomb, "compressed"),
}
