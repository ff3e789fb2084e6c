"""Hooks of a module, which a fast form that does not call it would pass by."""

from torch import nn


def is_heard(module: nn.Module) -> bool:
    """Whether a hook waits for a call of the module."""
    return any(
        getattr(module, f"_{when}_hooks")
        for when in ("forward", "forward_pre", "backward", "backward_pre")
    )
