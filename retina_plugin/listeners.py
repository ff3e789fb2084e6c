"""What a call of a module does beside its class, and a fast form without the call passes by."""

from torch import nn


def is_heard(module: nn.Module) -> bool:
    """Whether a hook waits for a call of the module."""
    hooks = module._forward_hooks, module._forward_pre_hooks
    return any(hooks) or bool(module._backward_hooks or module._backward_pre_hooks)


def is_changed(module: nn.Module) -> bool:
    """Whether a call does more than the class says: a hook, or a forward pass of its own.

    MMEngine's `activation_checkpointing` and accelerate give a module such a pass.
    """
    return is_heard(module) or "forward" in vars(module)
