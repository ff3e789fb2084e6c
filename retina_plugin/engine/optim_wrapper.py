"""Training in bfloat16, on a CPU as on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ..precision import autocast_of, check_dtype, chosen_dtype
from ..registry import OPTIM_WRAPPERS
from .finite import FiniteGuard, is_fused

KERNELS = ("fused", "foreach")  # keys of an optimizer


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """MMEngine's OptimWrapper with the forward pass under autocast, on any device.

    bfloat16 has float32's range, so the loss needs no scaling. Weights, their
    gradients, losses and the optimizer stay in float32. A step on a loss or gradient that is not
    finite is left out where a `FiniteGuard` is set as `guard`.

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
        self.guard: FiniteGuard | None = None
        self._said = False

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass in the chosen precision."""
        device_type = next(model.parameters()).device.type
        chosen = chosen_dtype(self.dtype, device_type)
        self._say_once(chosen, device_type)
        with super().optim_context(model), autocast_of(chosen, device_type):
            yield

    def update_params(self, loss: Tensor, *args: object, **options: object) -> None:
        """MMEngine's update; what was not finite leaves no trace where there is a guard."""
        super().update_params(loss, *args, **options)
        if self.guard is not None:
            self.guard.end()

    def backward(self, loss: Tensor, **options: object) -> None:
        """MMEngine's, judged by the guard."""
        accumulates = not self.should_update()  # the step of the iteration before is still due
        super().backward(loss, **options)
        if self.guard is not None:
            self.guard.see(loss, accumulates)

    def step(self, **options: object) -> None:
        """MMEngine's step, on gradients and state that lie in memory as their weights do."""
        if self.guard is not None and self.guard.suppresses(self.optimizer):
            return
        if is_fused(self.optimizer):
            align_layouts(self.optimizer)
        super().step(**options)

    def load_state_dict(self, state_dict: dict) -> None:
        """MMEngine's; the config says by which kernels to step, not the run that saved."""
        own = {
            key: self.optimizer.defaults[key] for key in KERNELS if key in self.optimizer.defaults
        }
        groups = [
            {**{key: value for key, value in group.items() if key not in KERNELS}, **own}
            for group in state_dict["param_groups"]
        ]
        super().load_state_dict({**state_dict, "param_groups": groups})

    def _say_once(self, chosen: str, device_type: str) -> None:
        if not self._said:
            print_log(f"Trains in {chosen} on {device_type}.", logger="current")
        self._said = True


def align_layouts(optimizer: torch.optim.Optimizer) -> None:
    """Copy gradients and state whose strides differ from their weight's into its layout.

    PyTorch's fused optimizers on a CPU (2.13) walk the memories in step without looking at strides:
    a channels-last weight with a gradient, or a momentum, in the usual layout learns another
    weight's. Autograd gives gradients the layout of their weight; a hook may not, and momenta of a
    checkpoint have the layout of the run that saved them.
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None and not _lie_alike(weight, weight.grad):
                weight.grad = torch.empty_like(weight).copy_(weight.grad)
            state = optimizer.state.get(weight, {})
            for name, value in state.items():
                is_like = isinstance(value, Tensor) and value.shape == weight.shape
                if is_like and not _lie_alike(weight, value):
                    state[name] = torch.empty_like(weight).copy_(value)


def _lie_alike(one: Tensor, other: Tensor) -> bool:
    """Whether all strides that are ever taken are equal."""
    steps = zip(one.shape, one.stride(), other.stride(), strict=True)
    return all(size == 1 or mine == theirs for size, mine, theirs in steps)
