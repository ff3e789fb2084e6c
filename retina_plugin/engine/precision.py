"""Training in bfloat16, on a CPU as on a GPU, and memory laid out as both like it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from ..errors import UserError
from ..registry import HOOKS, OPTIM_WRAPPERS

DTYPES = ("auto", "bfloat16", "float32")
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")  # the last one is Arm's


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """MMEngine's OptimWrapper with the forward pass under autocast, on any device.

    bfloat16 has float32's range, so the loss needs no scaling. Weights, their
    gradients, losses and the optimizer stay in float32.

    Args:
        dtype: `bfloat16`, `float32`, or `auto`: bfloat16 where the processor
            computes in it, else float32.
        **options: as in `OptimWrapper`; accumulation and clipping work alike.

    Raises:
        UserError: for another dtype.
    """

    def __init__(self, dtype: str = "auto", **options: object) -> None:
        super().__init__(**options)
        if dtype not in DTYPES:
            raise UserError(
                f"optim_wrapper.dtype must be one of {DTYPES}, but got {dtype!r}; for float16 on a "
                "GPU choose optim_wrapper.type='AmpOptimWrapper', which scales the loss."
            )
        self.dtype = dtype
        self._said = False

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass in the chosen precision."""
        device_type = next(model.parameters()).device.type
        chosen = self.dtype
        if chosen == "auto":
            chosen = "bfloat16" if computes_in_bfloat16(device_type) else "float32"
        self._say_once(chosen, device_type)
        enabled = chosen == "bfloat16"
        with super().optim_context(model), torch.autocast(device_type, torch.bfloat16, enabled):
            yield

    def _say_once(self, chosen: str, device_type: str) -> None:
        if not self._said:
            print_log(f"Trains in {chosen} on {device_type}.", logger="current")
        self._said = True


def computes_in_bfloat16(device_type: str) -> bool:
    """Whether this machine's `cpu` or `cuda` device has bfloat16 instructions."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Before torch had this function nothing says it on every system: float32 is safe.
    ask: Callable = getattr(torch.cpu, "get_capabilities", dict)
    capabilities = ask() if device_type == "cpu" else {}
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lays the weights of convolutions out channels last; activations follow them.

    Values stay the same; convolutions need no reordering of their input.
    """

    def before_run(self, runner: Runner) -> None:
        """Before training, validation or testing starts."""
        runner.model.to(memory_format=torch.channels_last)
