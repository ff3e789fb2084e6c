"""Reading a checkpoint without executing anything that it contains.

A checkpoint is a pickle, which may name any function to call. `strict_load` refuses what it does
not list, and with it what MMEngine's own checkpoints name besides tensors. Exactly that is allowed
here, through stand-ins that serve a checkpoint and nothing else.
"""

import contextlib
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from ..errors import UserError
from .strict_load import is_plain, load_strictly
from .whole_file import damage

STATISTICS = ("min", "max", "current", "mean")
ANNEALING = ("_annealing_cos", "_annealing_linear")

Global = Callable | tuple[Callable, str]


def read_checkpoint(path: Path, map_location: Any = None, name: str | None = None) -> Any:
    """What `torch.load` returns for `path`, for tensors, plain values and MMEngine's history.

    Nothing in it is executed, now or later: see `without_code`.

    Args:
        path: of the file.
        map_location: that of `torch.load`.
        name: what the user calls the file, where that is not its path.

    Raises:
        UserError: The file is missing or damaged, or names anything else.
    """
    name = name or str(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"The checkpoint {name} {what}: correct its path in the config.")
    reason = damage(path)
    if reason is not None:
        raise UserError(_unreadable(name, reason))
    try:
        with _own_statistics():
            checkpoint = load_strictly(path, map_location, allowed_globals())
    # A damaged file raises anything from KeyError to RuntimeError.
    except Exception as error:
        raise UserError(_explain(name, error)) from error
    return without_code(checkpoint)


def without_code(checkpoint: Any) -> Any:
    """Rename `meta.config`, a config's text, to `meta.cfg`, as later versions call it.

    MMEngine executes the former when it resumes, the latter never but in an inferencer (see
    `config_text`).
    """
    meta = checkpoint.get("meta") if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and "config" in meta:
        text = meta.pop("config")
        meta.setdefault("cfg", text)
    return checkpoint


def allowed_globals() -> list[Global]:
    """Names that a checkpoint may contain besides those that `strict_load` lists."""
    scheduler = f"{OneCycleParamScheduler.__module__}.{OneCycleParamScheduler.__name__}"
    return [
        HistoryBuffer,
        np.ndarray,
        (plain_dtype, "numpy.dtype"),
        (named_method, "builtins.getattr"),
        (one_cycle, scheduler),
    ]


def named_method(owner: object, name: str) -> Callable:
    """What a checkpoint gets in place of `getattr`, by which MMEngine's objects name methods.

    Raises:
        UnpicklingError: Anything but the four statistics of HistoryBuffer and the two annealing
            functions of the one-cycle schedule is asked for.
    """
    if owner is HistoryBuffer and name in STATISTICS:
        return getattr(HistoryBuffer, name)
    if owner is one_cycle and name in ANNEALING:
        return getattr(OneCycleParamScheduler, name)
    raise pickle.UnpicklingError("GLOBAL builtins.getattr")


def one_cycle(*arguments: object) -> None:
    """What a checkpoint gets in place of the one-cycle schedule: an owner of two functions.

    Raises:
        UnpicklingError: The checkpoint calls it.
    """
    raise pickle.UnpicklingError(f"GLOBAL {OneCycleParamScheduler.__name__}")


def plain_dtype(code: str, *flags: bool) -> np.dtype:
    """What a checkpoint gets in place of `numpy.dtype`: types of numbers and text.

    Raises:
        UnpicklingError: Another type, such as that of Python objects, is asked for.
    """
    dtype = np.dtype(code)
    if is_plain(dtype):
        return dtype
    raise pickle.UnpicklingError(f"GLOBAL numpy.dtype({dtype.str!r})")


@contextlib.contextmanager
def _own_statistics() -> Iterator[None]:
    """Undo what files do to HistoryBuffer.

    A HistoryBuffer writes the statistics that its file names into a table that all buffers share.
    """
    HistoryBuffer()  # the first one that is made, not one that is read, fills the table
    table = dict(HistoryBuffer._statistics_methods)
    try:
        yield
    finally:
        HistoryBuffer._statistics_methods.clear()
        HistoryBuffer._statistics_methods.update(table)


def _explain(name: str, error: Exception) -> str:
    text = str(error)
    refused = re.search(r"GLOBAL:? (?:GLOBAL )?([\w.()<>'|]+)", text)
    if refused:
        return (
            f"The checkpoint {name} was not loaded, because it asks for {refused[1]}, and only "
            "tensors, plain values and MMEngine's history are read from a checkpoint: "
            "save its state_dict alone, where it was made, and load that."
        )
    reason = text.split("WeightsUnpickler error:")[-1].strip().split("\n")[0].split(". ")[0]
    return _unreadable(name, f"{type(error).__name__} {reason}")


def _unreadable(name: str, reason: str) -> str:
    return (
        f"The file {name} cannot be read as a checkpoint ({reason}): "
        "it is damaged or something else, so copy or download it again."
    )
