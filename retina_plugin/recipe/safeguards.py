"""The hooks that watch over a training, put into a config that lacks them."""

from mmengine.config import Config, ConfigDict

from .report import Change
from .speed import OPTIM_WRAPPERS

# What configs/_base_/default_runtime.py has as well, by the name of the default hook.
HOOKS = {
    "guard": "GuardHook",
    "stop": "StopHook",
    "short_run": "ShortRunHook",
    "loaded_weights": "LoadedWeightsHook",
    "foreign_weights": "ForeignWeightsHook",
}
REASON = "watches over the training"


def add_safeguards(cfg: Config) -> list[Change]:
    """Adds our hooks, and for MMEngine's optimizer wrapper ours, which can leave out a step.

    Ours computes in float32 what MMEngine's does. A hook that the config has, or has turned off
    with `default_hooks.guard=None`, stays.
    """
    if cfg.get("default_hooks") is None:  # none of its own
        cfg.default_hooks = {}
    hooks = cfg.default_hooks
    changes = []
    for name in [name for name in HOOKS if name not in hooks]:
        hooks[name] = ConfigDict(type=f"retina_plugin.{HOOKS[name]}")
        changes.append(Change(f"default_hooks.{name}.type", hooks[name].type, REASON))
    return changes + (_wrapper(cfg) if hooks.guard is not None else [])


def _wrapper(cfg: Config) -> list[Change]:
    wrapper = cfg.get("optim_wrapper") or ConfigDict()
    # Without a type it is MMEngine's own.
    if not wrapper or wrapper.get("type", "OptimWrapper") not in OPTIM_WRAPPERS:
        return []
    wrapper.type, wrapper.dtype = "retina_plugin.MixedPrecisionOptimWrapper", "float32"
    return [Change(f"optim_wrapper.{key}", wrapper[key], REASON) for key in ("type", "dtype")]
