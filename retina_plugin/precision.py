"""In which floating-point type convolutions run: bfloat16 only where hardware computes in it."""

from contextlib import AbstractContextManager, nullcontext

import torch

from . import processor
from .compat.torch_features import is_autocast_on
from .errors import UserError

DTYPES = ("auto", "bfloat16", "float32")


def check_dtype(dtype: str, key: str) -> None:
    """Raise UserError, naming the config key, unless `dtype` is one of `DTYPES`."""
    if dtype not in DTYPES:
        raise UserError(
            f"{key} must be one of {DTYPES}, but got {dtype!r}; for float16 on a "
            "GPU choose optim_wrapper.type='AmpOptimWrapper', which scales the loss."
        )


def chosen_dtype(dtype: str, device_type: str) -> str:
    """`bfloat16` or `float32`: what `auto` stands for on a device; the others stay."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if processor.computes_in_bfloat16(device_type) else "float32"


def autocast_of(dtype: str, device_type: str) -> AbstractContextManager[object]:
    """PyTorch's autocast to bfloat16, switched off for `float32`, also where a device has none."""
    if dtype == "float32" and not is_autocast_on(device_type):
        return nullcontext()
    return torch.autocast(device_type, torch.bfloat16, enabled=dtype == "bfloat16")
