"""The Triton kernels of this folder, or why they cannot run."""

import importlib
import os
from types import ModuleType

from ..compat.torch_features import triton_has_kernels_functions
from .fallback import NotAvailable


def triton_focal(device_type: str) -> ModuleType:
    """`triton_focal.py`; raises NotAvailable where Triton cannot run it."""
    return _load("triton_focal", device_type)


def triton_match(device_type: str) -> ModuleType:
    """`triton_match.py`; raises NotAvailable where Triton cannot run it."""
    return _load("triton_match", device_type)


def _load(name: str, device_type: str) -> ModuleType:
    if device_type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise NotAvailable("Triton works on CUDA, elsewhere with TRITON_INTERPRET=1 for tests")
    try:
        if not triton_has_kernels_functions():
            raise NotAvailable("this Triton is older than 3.0, and lacks what the kernels call")
        return importlib.import_module(f".{name}", __package__)
    except ImportError as error:
        raise NotAvailable(f"Triton is not installed ({error})") from error
