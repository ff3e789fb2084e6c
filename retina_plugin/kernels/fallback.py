"""When a fast form cannot run: why, said once, before another form takes over."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ..compat.torch_features import OutOfMemoryError, is_compiling
from ..errors import UserError
from ..log import warn


class NotAvailable(Exception):  # noqa: N818 (it is no error: another form takes over)
    """A fast form cannot run here; the message says why."""


CANNOT_RUN = (NotAvailable, OutOfMemoryError)


@cache
def warn_once(message: str) -> None:
    """Warn in the log of the run; the same words only once in a process."""
    warn(message)


def differentiated_once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a second derivative, for the backward pass of an autograd function.

    PyTorch's `once_differentiable` refuses it only where the outer gradient hangs on something;
    after a plain sum it would leave the second derivative out without a word.
    """
    once = once_differentiable(backward)

    @wraps(backward)
    def checked(ctx: Any, *outers: Any) -> Any:
        """Raise UserError in a backward pass with `create_graph=True`."""
        if torch.is_grad_enabled() and not is_compiling():
            raise UserError(
                "The fast forms have no second derivative, for which a backward pass with "
                "create_graph=True asks: set fast=False in the config, or form='plain' in "
                "model.bbox_head and its loss_cls and model.fold_norm=False."
            )
        return once(ctx, *outers)

    return checked
