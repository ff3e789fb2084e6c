"""Checks of what the tools are told on the command line."""

from pathlib import Path
from types import SimpleNamespace

import torch

from ..bounds import POSITIVE
from ..errors import UserError


def check_positive(arguments: SimpleNamespace, *names: str) -> None:
    """Raise UserError unless each argument is above 0, or was not given."""
    for name in names:
        number = getattr(arguments, name)
        if number is not None and number not in POSITIVE:
            option = name.replace("_", "-")
            raise UserError(f"--{option} expects a number above 0, but got {number:g}.")


def check_folder(folder: Path, option: str) -> None:
    """Raise UserError where a folder that is written to is a file."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{option} expects a folder, but {folder} is a file.")


def check_device(device: str) -> None:
    """Raise UserError for `cuda` on a machine without a GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here; use --device cpu.")
