"""Hooks of a module, which a fast form that does not call it would pass by."""

from torch import nn


def is_heard(module: nn.Module) -> bool:
    """Whether a hook waits for a call of the module."""
    hooks = module._forward_hooks, module._forward_pre_hooks
    return any(hooks) or bool(module._backward_hooks or module._backward_pre_hooks)
