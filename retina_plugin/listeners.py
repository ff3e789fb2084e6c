"""What a call of a module does beside its class, and a fast form without the call passes by."""

from torch import nn
from torch.nn.modules import module as torchs_modules

# Hooks for a call of any module, as PyTorch's FlopCounterMode sets them.
GLOBAL_HOOKS = tuple(
    getattr(torchs_modules, f"_global_{kind}_hooks")
    for kind in ("forward", "forward_pre", "backward", "backward_pre")
)


def are_all_heard() -> bool:
    """Whether a hook waits for a call of any module."""
    return any(GLOBAL_HOOKS)


def is_heard(module: nn.Module) -> bool:
    """Whether a hook waits for a call of the module, or of any."""
    forward = module._forward_hooks, module._forward_pre_hooks
    backward = module._backward_hooks, module._backward_pre_hooks
    return any((*forward, *backward, *GLOBAL_HOOKS))


def is_changed(module: nn.Module) -> bool:
    """Whether a call does more than the class says: a hook, or a forward pass of its own.

    MMEngine's `activation_checkpointing` and accelerate give a module such a pass.
    """
    return is_heard(module) or "forward" in vars(module)
