"""Reading a checkpoint without executing anything that it contains.

A checkpoint is a pickle, which may name any function to call. PyTorch's `weights_only` refuses
that, but with it the history buffers and numpy arrays in MMEngine's own checkpoints. Exactly those
are allowed here, through stand-ins that serve a checkpoint and nothing else.
"""

import contextlib
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from ..errors import UserError

STATISTICS = ("min", "max", "current", "mean")
ANNEALING = ("_annealing_cos", "_annealing_linear")
# Booleans, numbers and text. An array of Python objects can crash the interpreter.
DTYPE_KINDS = "biufcSU"
NUMPY_MODULES = ("numpy._core.multiarray", "numpy.core.multiarray")  # numpy 2, numpy 1

Global = Callable | tuple[Callable, str]


def read_checkpoint(path: Path, map_location: Any = None) -> Any:
    """What `torch.load` returns for `path`, for tensors, plain values and MMEngine's history.

    `map_location` is that of `torch.load`.

    Raises:
        UserError: The file is missing or damaged, or names anything else.
    """
    if not path.is_file():
        raise UserError(f"The checkpoint {path} does not exist: correct its path in the config.")
    try:
        with _only(allowed_globals()):
            return torch.load(path, map_location=map_location, weights_only=True)
    # A damaged file raises anything from KeyError to RuntimeError.
    except Exception as error:
        raise UserError(_explain(path, error)) from error


def allowed_globals() -> list[Global]:
    """Names that a checkpoint may contain besides those that `weights_only` allows."""
    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64().__reduce__()[0]
    names: list[Global] = [HistoryBuffer, np.ndarray]
    names += {type(np.dtype(code)) for code in np.typecodes["All"] if _is_plain(np.dtype(code))}
    names += [(plain_dtype, "numpy.dtype"), (named_method, "builtins.getattr")]
    scheduler = f"{OneCycleParamScheduler.__module__}.{OneCycleParamScheduler.__name__}"
    names += [(one_cycle, scheduler)]
    names += [(reconstruct, f"{module}._reconstruct") for module in NUMPY_MODULES]
    return names + [(scalar, f"{module}.scalar") for module in NUMPY_MODULES]


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
    if _is_plain(dtype):
        return dtype
    raise pickle.UnpicklingError(f"GLOBAL numpy.dtype({dtype.str!r})")


def _is_plain(dtype: np.dtype) -> bool:
    return dtype.kind in DTYPE_KINDS


@contextlib.contextmanager
def _only(names: list[Global]) -> Iterator[None]:
    """Allow `names` and nothing that other code has allowed; undo what files do to HistoryBuffer.

    A HistoryBuffer writes the statistics that its file names into a table that all buffers share.
    """
    HistoryBuffer()  # the first one that is made, not one that is read, fills the table
    others, table = get_safe_globals(), dict(HistoryBuffer._statistics_methods)
    clear_safe_globals()
    add_safe_globals(names)
    try:
        yield
    finally:
        clear_safe_globals()
        add_safe_globals(others)
        HistoryBuffer._statistics_methods.clear()
        HistoryBuffer._statistics_methods.update(table)


def _explain(path: Path, error: Exception) -> str:
    text = str(error)
    refused = re.search(r"GLOBAL:? (?:GLOBAL )?([\w.()<>'|]+)", text)
    if refused:
        return (
            f"The checkpoint {path} was not loaded, because it asks for {refused[1]}, and only "
            "tensors, plain values and MMEngine's history are read from a checkpoint: "
            "save its state_dict alone, where it was made, and load that."
        )
    reason = text.split("WeightsUnpickler error:")[-1].strip().split("\n")[0].split(". ")[0]
    return (
        f"The file {path} cannot be read as a checkpoint ({type(error).__name__} {reason}): "
        "it is damaged or something else, so copy or download it again."
    )
