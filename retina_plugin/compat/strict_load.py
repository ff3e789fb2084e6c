"""`torch.load` by `StrictUnpickler`: tensors, numpy's plain arrays, MMEngine's history."""

import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, UntypedStorage

from .strict_unpickler import StrictUnpickler

FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # it forbids all readers but PyTorch's own
DTYPE_KINDS = "biufcSU"  # booleans, numbers and text; one of Python objects can crash Python
MULTIARRAY = ("numpy._core.multiarray", "numpy.core.multiarray")  # numpy 2, numpy 1


def load_strictly(path: Path, map_location: Any, allowed: Iterable[Any]) -> Any:
    """What `torch.load` returns, for files that hold no more than a checkpoint.

    Args:
        path: of a file that `whole_file.damage` finds whole.
        map_location: that of `torch.load`.
        allowed: types that a file may name, and pairs (function that it may call, its name there).

    Raises:
        UnpicklingError: The file asks for anything else.
        Exception: Of any kind, for a damaged file.
    """
    with _not_forced():
        return torch.load(
            path,
            map_location=map_location,
            pickle_module=_reader(_storage_check(path), allowed),
            weights_only=False,  # this would be PyTorch's own reader
        )


def _reader(check: Callable[[Any], None], allowed: Iterable[Any]) -> Any:
    """What `torch.load` takes in the place of the module `pickle`."""
    allowed = list(allowed)
    functions = {each[1]: each[0] for each in allowed if isinstance(each, tuple)} | FUNCTIONS
    types = [each for each in allowed if not isinstance(each, tuple)]

    class Unpickler(StrictUnpickler):
        names = NAMES | {f"{each.__module__}.{each.__qualname__}": each for each in types}
        names = names | functions
        calls = tuple(functions.values())
        makes = (HistoryBuffer,)
        builders = BUILDERS

        def check_storage(self, identifier: Any) -> None:
            check(identifier)

    class Reader:
        @staticmethod
        def load(file: IO[bytes], **options: Any) -> Any:
            return Unpickler(file, **options).load()

    Reader.Unpickler = Unpickler  # type: ignore[attr-defined]
    return Reader


def _storage_check(path: Path) -> Callable[[Any], None]:
    """A function that raises UnpicklingError where a storage is not as large as a file says.

    PyTorch looks for a storage's bytes in the memory behind it if it is shorter.
    """
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    reader = torch._C.PyTorchFileReader(str(path)) if is_zip else None
    if reader is not None and "constants.pkl" in reader.get_all_records():
        raise UnpicklingError("it is a program of TorchScript")

    def check(identifier: Any) -> None:
        kind, storage, key, _, count = identifier[:5]
        size = count if storage is UntypedStorage else count * storage.dtype.itemsize
        if kind != "storage" or not isinstance(size, int) or size < 0:
            raise UnpicklingError("a storage has no size")
        if reader is None:
            fits = size <= path.stat().st_size  # PyTorch compares it with what follows in the file
        else:
            fits = size == len(reader.get_record(f"data/{key}"))
        if not fits:
            raise UnpicklingError(f"storage {key} does not hold the {size} bytes that it should")

    return check


@contextmanager
def _not_forced() -> Iterator[None]:
    """Without the variable that would have PyTorch refuse this reader."""
    forced = os.environ.pop(FORCED, None)
    try:
        yield
    finally:
        if forced is not None:
            os.environ[FORCED] = forced


def is_plain(dtype: np.dtype) -> bool:
    """Whether numpy's arrays of the type hold numbers or text."""
    return dtype.kind in DTYPE_KINDS and not dtype.hasobject


def tensor(
    storage: Any, offset: int, size: tuple, stride: tuple, requires_grad: bool = False, *_: Any
) -> Tensor:
    """Of a storage, within it; without hooks."""
    if len(size) != len(stride) or not all(type(x) is int and x >= 0 for x in (offset, *size)):
        raise UnpicklingError("a tensor has no size")
    if not all(type(x) is int and x >= 0 for x in stride):
        raise UnpicklingError("a tensor has no strides")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    untyped = storage._untyped_storage
    if prod(size) and (last + 1) * storage.dtype.itemsize > untyped.nbytes():
        raise UnpicklingError("a tensor is larger than its storage")
    empty = torch.empty(0, dtype=storage.dtype, device=untyped.device)
    return empty.set_(untyped, offset, size, stride).requires_grad_(bool(requires_grad))


def parameter(data: Tensor, requires_grad: bool, *_: Any) -> torch.nn.Parameter:
    """Of a tensor; without hooks."""
    if type(data) is not Tensor:
        raise UnpicklingError("a parameter is not of a tensor")
    return torch.nn.Parameter(data, bool(requires_grad))


def text_to_bytes(text: str, encoding: str) -> bytes:
    """As Python 2 keeps bytes."""
    if encoding != "latin1":
        raise UnpicklingError(f"GLOBAL _codecs.encode({encoding!r})")
    return text.encode(encoding)


def no_bytes() -> bytes:
    """How Python writes the content of an empty array."""
    return b""


def empty_array(kind: type, shape: tuple, code: bytes) -> np.ndarray:  # noqa: ARG001
    """What numpy begins an array with, whose state follows."""
    if kind is not np.ndarray:
        raise UnpicklingError("an array is of another type")
    return np.empty(0, np.int8)


def scalar(dtype: np.dtype, content: bytes) -> np.generic:
    """One value."""
    if type(content) is not bytes or not is_plain(dtype) or len(content) != dtype.itemsize:
        raise UnpicklingError("a value does not fit its type")
    return np.frombuffer(content, dtype)[0]


def built_array(_: np.ndarray, state: tuple) -> np.ndarray:
    """An array with its state."""
    _, shape, dtype, is_fortran, content = state
    if type(content) is not bytes or not is_plain(dtype):
        raise UnpicklingError(f"GLOBAL numpy.dtype({dtype!r})")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
    return array.copy(order="K")  # its own memory, which may be written


def built_dtype(dtype: np.dtype, state: tuple) -> np.dtype:
    """The type in the order of bytes that its state says; numpy believes the rest, unseen."""
    return dtype.newbyteorder(state[1])


def built_history(buffer: HistoryBuffer, state: dict) -> HistoryBuffer:
    """MMEngine's buffer with its attributes."""
    vars(buffer).update(state)
    return buffer


def built_ordered(table: OrderedDict, state: dict) -> OrderedDict:
    """A state dict, whose versions of modules are its only attribute."""
    if set(state) != {"_metadata"}:
        raise UnpicklingError(f"GLOBAL attributes {sorted(state)} of an OrderedDict")
    table._metadata = state["_metadata"]  # type: ignore[attr-defined]
    return table


FUNCTIONS: dict[str, Callable] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "builtins.set": set,
    "builtins.complex": complex,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
    "torch._utils._rebuild_tensor": tensor,
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_parameter": parameter,
    "_codecs.encode": text_to_bytes,
    "builtins.bytes": no_bytes,
    **{f"{module}._reconstruct": empty_array for module in MULTIARRAY},
    **{f"{module}.scalar": scalar for module in MULTIARRAY},
}
NAMES: dict[str, Any] = {
    "torch.storage.UntypedStorage": UntypedStorage,
    **{str(each): each for each in vars(torch).values() if isinstance(each, torch.dtype)},
}
PLAIN_DTYPES = [dtype for dtype in map(np.dtype, np.typecodes["All"]) if is_plain(dtype)]
BUILDERS: dict[type, Callable[[Any, Any], Any]] = {
    HistoryBuffer: built_history,
    OrderedDict: built_ordered,
    np.ndarray: built_array,
    **{type(dtype): built_dtype for dtype in PLAIN_DTYPES},
}
