"""A resumed run goes by the rate and the schedule of its config, not by those it was saved with.

MMEngine takes both from the checkpoint without a word: a rate that was lowered for the resume, or a
schedule that was lengthened, would change nothing.
"""

import math
from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from ..errors import UserError
from ..recipe.schedule import LENGTHS
from .budget.loop import BudgetTrainLoop
from .checkpoint import EPOCH_LENGTH
from .replayed_schedule import can_be_replayed, replayed

RUNNING = ("params", "lr", "initial_lr")  # of a group of weights: what a schedule changes
OF_SCHEDULE = ("", "initial_", "max_", "min_")  # begin what a schedule keeps in a group
MOST_REPLAYED = 10  # times the training: of more a checkpoint can only pretend
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

    Raises:
        UserError: the schedule of a training with `minutes` is another one.
    """
    if not isinstance(runner.optim_wrapper, OptimWrapper):
        return []
    own = runner.optim_wrapper.optimizer.param_groups
    saved = checkpoint.get("optimizer", {}).get("param_groups", [])
    if len(own) != len(saved):
        return []
    ratios = [_ratio(*pair) for pair in zip(own, saved, strict=True)]
    changes = [change for pair in zip(own, saved, ratios, strict=True) for change in _group(*pair)]
    others = list(_other_schedule(runner.param_schedulers, checkpoint))
    if others and isinstance(runner._train_loop, BudgetTrainLoop):
        raise UserError(
            f"was trained with another schedule ({'; '.join(others)}), which minutes cannot take "
            "up in the middle: go on with that one."
        )
    if others and can_be_replayed(runner.param_schedulers):
        _replay(runner, checkpoint, saved)
    else:
        for scheduler, state in _schedulers(runner.param_schedulers, checkpoint):
            _scale(scheduler, state, ratios)
    return list(dict.fromkeys(changes + others))


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


def _other_schedule(own: Any, checkpoint: dict[str, Any]) -> Iterator[str]:
    """In what the config's schedulers differ from the saved ones."""
    saved = checkpoint.get("param_schedulers", [])
    if isinstance(own, list) and isinstance(saved, list) and saved and len(own) != len(saved):
        yield f"{len(own)} schedulers instead of {len(saved)}"
    for scheduler, state in _schedulers(own, checkpoint):
        name = type(scheduler).__name__
        if set(state) != set(scheduler.state_dict()):
            yield f"{name} instead of another schedule"
            continue
        for key in (key for key in SAID if key in state):
            if getattr(scheduler, key) == state[key]:
                continue
            yield f"{name}'s {key} {_said(getattr(scheduler, key))} instead of {_said(state[key])}"


def _replay(runner: Runner, checkpoint: dict[str, Any], saved: list[dict]) -> None:
    """Put in states and rates of the config's schedule at the same place."""
    meta, most = checkpoint["meta"], MOST_REPLAYED * runner.max_iters
    length = meta.get(EPOCH_LENGTH)
    states, groups = replayed(
        runner.param_schedulers,
        iterations=min(meta["iter"], most),
        epochs=min(meta["epoch"], most),
        length=length if isinstance(length, int) else None,
    )
    checkpoint["param_schedulers"] = states
    names = {scheduler.param_name for scheduler in runner.param_schedulers}
    for_log = checkpoint["optimizer"].get("base_param_settings")  # MMEngine's last group
    for group, values in zip([*saved, for_log], groups, strict=False):
        if isinstance(group, dict):
            keys = (f"{kind}{name}" for name in names for kind in OF_SCHEDULE)
            group.update({key: values[key] for key in keys if key in values})


def _scale(scheduler: Any, state: dict, ratios: list[float]) -> None:
    """Take the config's rate and lengths over into a scheduler that goes on as it was."""
    own = {key: getattr(scheduler, key) for key in SAID if key in state and hasattr(scheduler, key)}
    others = [key for key in own if own[key] != state[key]]
    state.update(own)
    steps = state.get("_global_step")
    if {"begin", "end"} & set(others) and isinstance(steps, int):
        # A schedule that had ended has not counted on; now it goes on from here.
        state["last_step"] = max(min(steps, own["end"] - 1) - own["begin"], -1)
    if scheduler.param_name == "lr":
        for key in ("base_values", "_last_value"):
            values = state.get(key)
            if isinstance(values, list) and len(values) == len(ratios):
                state[key] = [value * ratio for value, ratio in zip(values, ratios, strict=True)]


def _said(value: Any) -> str:
    return ", ".join(sorted(map(str, value))) if isinstance(value, dict) else f"{value}"
