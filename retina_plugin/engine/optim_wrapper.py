"""Training in bfloat16, on a CPU as on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn

from ..precision import autocast_of, check_dtype, chosen_dtype
from ..registry import OPTIM_WRAPPERS


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
        check_dtype(dtype, "optim_wrapper.dtype")
        self.dtype = dtype
        self._said = False

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass in the chosen precision."""
        device_type = next(model.parameters()).device.type
        chosen = chosen_dtype(self.dtype, device_type)
        self._say_once(chosen, device_type)
        with super().optim_context(model), autocast_of(chosen, device_type):
            yield

    def _say_once(self, chosen: str, device_type: str) -> None:
        if not self._said:
            print_log(f"Trains in {chosen} on {device_type}.", logger="current")
        self._said = True
