"""What newer versions of PyTorch offer, asked for by feature, with a stand-in for older ones."""

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cache, wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable)
CPU_INFO = Path("/proc/cpuinfo")

# Until PyTorch 2.5 only CUDA's allocator had an error of its own, under this name.
OutOfMemoryError: type[RuntimeError] = getattr(
    torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError
)
# A compiler that traces a call of either one sees True. PyTorch 2.1 has the second alone.
is_compiling: Callable[[], bool] = (
    getattr(torch.compiler, "is_compiling", None) or torch._utils.is_compiling
)
_GRAPH_IS_KEPT = "_get_current_graph_task_keep_graph"


def is_transformed() -> bool:
    """Whether `torch.func` or PyTorch's tracer follows the computation, operation by operation."""
    return torch._C._are_functorch_transforms_active() or torch.jit.is_tracing()


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
    """`torch.compiler.disable`, applied where PyTorch's compiler is loaded.

    To decorate with it loads the compiler: a quarter of the time that importing this package takes.
    """

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        if "torch._dynamo" in sys.modules:
            return torch.compiler.disable(function)(*args, **options)
        return function(*args, **options)

    return cast(Function, run)


def is_autocast_on(device_type: str) -> bool:
    """Whether autocast is on for `cpu`, `cuda`, ...; PyTorch 2.1 asks by a function per device."""
    if hasattr(torch, "get_autocast_dtype"):  # came with the argument
        try:
            return torch.is_autocast_enabled(device_type)
        except RuntimeError:  # this PyTorch has no autocast for the device
            return False
    if device_type == "cpu":
        return torch.is_autocast_cpu_enabled()
    return torch.is_autocast_enabled()


def cpu_autocast_dtype() -> torch.dtype:
    """The type that autocast computes in on the CPU."""
    if hasattr(torch, "get_autocast_dtype"):
        return torch.get_autocast_dtype("cpu")
    return torch.get_autocast_cpu_dtype()


def graph_may_be_kept() -> bool:
    """Whether the backward pass that runs now keeps its graph; True where PyTorch cannot tell."""
    is_kept = getattr(torch._C._autograd, _GRAPH_IS_KEPT, None)
    return is_kept is None or is_kept()


@cache
def can_fuse(optimizer: str, device_type: str) -> bool:
    """Whether an optimizer of `torch.optim` can step by one kernel for all weights on a device."""
    kind = getattr(torch.optim, optimizer)
    if "fused" not in signature(kind).parameters:
        return False
    if device_type != "cpu":  # the first that had it; to ask it would take memory there
        return True
    try:
        kind([torch.zeros(1, requires_grad=True)], lr=0.1, fused=True)
    except RuntimeError:
        return False
    return True


def triton_has_kernels_functions() -> bool:
    """Whether Triton has what our kernels call; `div_rn` is the newest, the rest came before.

    Raises:
        ImportError: There is no Triton.
    """
    return hasattr(importlib.import_module("triton.language"), "div_rn")
