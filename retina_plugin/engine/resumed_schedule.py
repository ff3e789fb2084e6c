"""A resumed run goes by the rate and the schedule of its config, not by those it was saved with.

MMEngine takes both from the checkpoint without a word: a rate that was lowered for the resume, or a
schedule that was lengthened, would change nothing.
"""

import math
from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from ..recipe.schedule import LENGTHS

RUNNING = ("params", "lr", "initial_lr")  # of a group of weights: what a schedule changes
# Of a scheduler: what its config says. The rest is how far it has come.
SAID = (
    *(*LENGTHS, "cumulative_periods", "restart_weights"),
    *("gamma", "factor", "start_factor", "end_factor", "power"),
    *("eta_min", "eta_min_ratio", "eta_max"),
)


def follow_config(runner: Runner, checkpoint: dict[str, Any]) -> list[str]:
    """Change what MMEngine is about to load; gives the changes in words.

    Args:
        runner: with the optimizer and the schedulers of the config.
        checkpoint: of a training; changed.
    """
    if not isinstance(runner.optim_wrapper, OptimWrapper):
        return []
    own = runner.optim_wrapper.optimizer.param_groups
    saved = checkpoint.get("optimizer", {}).get("param_groups", [])
    if len(own) != len(saved):
        return []
    ratios = [_ratio(*pair) for pair in zip(own, saved, strict=True)]
    changes = [change for pair in zip(own, saved, ratios, strict=True) for change in _group(*pair)]
    for scheduler, state in _schedulers(runner.param_schedulers, checkpoint):
        changes += _scheduler(scheduler, state, ratios)
    return list(dict.fromkeys(changes))


def _ratio(own: dict, saved: dict) -> float:
    """Of the config's rate to the saved one, both before any schedule."""
    old, new = (group.get("initial_lr", group.get("lr")) for group in (saved, own))
    is_known = all(isinstance(rate, int | float) and rate > 0 for rate in (old, new))
    return float(new) / float(old) if is_known else 1.0  # type: ignore[arg-type]


def _group(own: dict, saved: dict, ratio: float) -> Iterator[str]:
    if not math.isclose(ratio, 1, rel_tol=1e-6):
        old = saved.get("initial_lr", saved["lr"])
        for key in ("lr", "initial_lr"):
            if key in saved:
                saved[key] *= ratio
        yield f"lr {old * ratio:g} instead of {old:g}"
    for key, value in own.items():
        is_said = key not in RUNNING and f"initial_{key}" not in own and key in saved
        if is_said and isinstance(value, int | float | tuple) and saved[key] != value:
            yield f"{key} {value} instead of {saved[key]}"
            saved[key] = value


def _schedulers(own: Any, checkpoint: dict[str, Any]) -> Iterator[tuple[Any, dict]]:
    saved = checkpoint.get("param_schedulers", [])
    if isinstance(own, list) and isinstance(saved, list):
        pairs = zip(own, saved, strict=False)
        yield from ((one, state) for one, state in pairs if isinstance(state, dict))


def _scheduler(scheduler: Any, state: dict, ratios: list[float]) -> Iterator[str]:
    if scheduler.param_name == "lr":
        for key in ("base_values", "_last_value"):
            values = state.get(key)
            if isinstance(values, list) and len(values) == len(ratios):
                state[key] = [value * ratio for value, ratio in zip(values, ratios, strict=True)]
    own = vars(scheduler)
    others = [key for key in SAID if key in state and own.get(key) not in (None, state[key])]
    for key in others:
        name = f"{type(scheduler).__name__}'s {key}"
        yield f"{name} {_said(own[key])} instead of {_said(state[key])}"
        state[key] = own[key]
    steps = state.get("_global_step")
    if {"begin", "end"} & set(others) and isinstance(steps, int):
        # A schedule that had ended has not counted on; now it goes on from here.
        state["last_step"] = max(min(steps, own["end"] - 1) - own["begin"], -1)


def _said(value: Any) -> str:
    return ", ".join(sorted(map(str, value))) if isinstance(value, dict) else f"{value}"
