"""What newer versions of PyTorch offer, asked for by feature, with a stand-in for older ones."""

import sys
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable)
CPU_INFO = Path("/proc/cpuinfo")


def cpu_capabilities() -> Mapping[str, Any]:
    """Instruction sets of the processor by name; without PyTorch's list, those that Linux names."""
    listed = getattr(torch.cpu, "get_capabilities", None)
    return listed() if listed else _flags_of_linux()


@cache
def _flags_of_linux() -> dict[str, bool]:
    """The flags of the first processor; empty elsewhere."""
    if not CPU_INFO.exists():
        return {}
    for line in CPU_INFO.read_text().splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):  # of x86, of Arm
            return dict.fromkeys(flags.split(), True)
    return {}


def outside_graphs(function: Function) -> Function:
    """`torch.compiler.disable` for a method, applied where PyTorch's compiler is loaded.

    To decorate with it loads the compiler: a quarter of the time that importing this package takes.
    """

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        if "torch._dynamo" in sys.modules:
            return torch.compiler.disable(function)(*args, **options)
        return function(*args, **options)

    return cast(Function, run)
