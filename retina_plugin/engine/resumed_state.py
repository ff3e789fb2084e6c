"""What a checkpoint says of the training that it comes from, before a run goes on from it."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor

from ..errors import UserError
from ..log import warn
from .accumulation import GRADIENTS, take_up
from .budget.loop import STATE, BudgetTrainLoop
from .checkpoint import EPOCH_BEGAN, EPOCH_LENGTH, IN_BETWEEN
from .distributed import unwrapped
from .loops import EpochBasedTrainLoop
from .resumed_schedule import follow_config

HUB = ("log_scalars", "runtime_info", "resumed_keys")
IN_BETWEEN_NAME = re.compile(r"iter_\d+\.pth")  # of a file that is removed
PATHS = ("best_ckpt", "last_ckpt")  # begin the names of paths that MMEngine's hook may remove


def check_resumed(runner: Runner, checkpoint: dict[str, Any]) -> None:
    """Holds all but the weights against what a run needs to go on; takes up waiting gradients.

    Raises:
        UserError: the checkpoint is not one of a training, or an optimizer's state is not finite.
    """
    meta, hub = (_dict(checkpoint.get(key)) for key in ("meta", "message_hub"))
    if not _is_count(meta.get("epoch")) or not _is_count(meta.get("iter")):
        raise _no_training("meta.epoch and meta.iter")
    if not all(isinstance(hub.get(key), dict) for key in HUB):
        raise _no_training("message_hub")
    if "optimizer" not in checkpoint:
        warn_of_checkpoint("it holds no state of an optimizer, which begins afresh.")
    elif not isinstance(checkpoint["optimizer"], dict):
        raise _no_training("optimizer")
    check_optimizer(checkpoint.get("optimizer", {}))
    _check_rates(runner, checkpoint)
    if changes := follow_config(runner, checkpoint):
        warn_of_checkpoint(f"the run goes on by its config: {'; '.join(changes)}.")
    _tell_loop(runner._train_loop, meta)
    _check_end(runner, meta["iter"])
    take_up(unwrapped(runner.model), checkpoint.get(GRADIENTS, {}))
    keep_to_run(runner, hub["runtime_info"])


def _tell_loop(loop: Any, meta: dict[str, Any]) -> None:
    """Give a loop what is known of the epoch, or the plan, that the checkpoint was saved in.

    Raises:
        UserError: one of the two trainings has `minutes` and the other has not.
    """
    if isinstance(loop, BudgetTrainLoop):
        loop.take_up(meta.get(STATE), meta["iter"])
    elif meta.get(STATE) is not None:
        raise UserError(
            "is of a training with minutes: go on with --cfg-options minutes=N, or start another "
            "training from it with load_from=FILE instead of --resume."
        )
    length, began = meta.get(EPOCH_LENGTH), meta.get(EPOCH_BEGAN)
    if isinstance(loop, EpochBasedTrainLoop):
        loop.saved_length = length if _is_count(length) else None
        loop.saved_began = began if _is_count(began) and began <= meta["iter"] else None


def _check_rates(runner: Runner, checkpoint: dict[str, Any]) -> None:
    """Hold groups of weights and schedulers against what a run goes on from."""
    if isinstance(runner.optim_wrapper, OptimWrapper) and "optimizer" in checkpoint:
        groups = checkpoint["optimizer"].get("param_groups")
        if not isinstance(groups, list) or not all(map(_is_group, groups)):
            raise _no_training("optimizer.param_groups")
    states = checkpoint.get("param_schedulers", [])
    lists = list(states.values()) if isinstance(states, dict) else [states]
    if not all(isinstance(each, list) and all(map(_is_schedule, each)) for each in lists):
        raise _no_training("param_schedulers")


def _is_group(group: Any) -> bool:
    rates = [group[key] for key in ("lr", "initial_lr") if key in group] if _dict(group) else []
    return "params" in _dict(group) and all(map(_is_rate, rates))


def _is_schedule(state: Any) -> bool:
    values, steps = _dict(state).get("base_values", []), _dict(state).get("_global_step", 0)
    is_known = isinstance(values, list) and all(map(_is_rate, values))
    return bool(_dict(state)) and is_known and isinstance(steps, int)


def _is_rate(value: Any) -> bool:
    is_number = isinstance(value, int | float) or (isinstance(value, Tensor) and value.dim() == 0)
    return is_number and math.isfinite(value)


def _check_end(runner: Runner, done: int) -> None:
    """Say where nothing is left to train, as with more images a step and so fewer iterations."""
    loop = runner._train_loop
    if isinstance(loop, BudgetTrainLoop):  # may go on for longer than planned
        return
    if isinstance(loop, IterBasedTrainLoop) and done >= loop.max_iters:
        warn_of_checkpoint(
            f"it was saved after {done} iterations, and the training has {loop.max_iters}: nothing "
            "is left of it. Another number of images a step has other iterations."
        )


def check_optimizer(state: Any, name: str = "optimizer") -> None:
    """Looks for numbers that are not finite, however deep.

    Raises:
        UserError: there is one; it is named.
    """
    if isinstance(state, Mapping):
        for key, value in state.items():
            check_optimizer(value, f"{name}.{key}")
    elif isinstance(state, Tensor) and state.is_floating_point():
        is_whole = state.numel() * state.element_size() <= state.untyped_storage().nbytes()
        if not is_whole or not torch.isfinite(state).all():
            raise UserError(f"is spoilt: its {name} is not finite; take an earlier one.")


def keep_to_run(runner: Runner, info: dict[str, Any]) -> None:
    """Bend paths of checkpoints to the run's own folders, or forget them.

    MMEngine removes the file, or the whole folder, that the checkpoint calls the best so far.
    """
    if not all(map(_is_count, info.get("keep_ckpt_ids", []) or [])):
        del info["keep_ckpt_ids"]
    if not IN_BETWEEN_NAME.fullmatch(str(info.get(IN_BETWEEN))):
        info.pop(IN_BETWEEN, None)
    folders = list(_folders(runner))
    for key in [key for key in info if str(key).startswith(PATHS) and info[key] is not None]:
        path = str(info[key])
        if _parent(path) in folders and not Path(path).is_dir():
            continue
        beside = Path(runner.work_dir) / Path(path).name
        if beside.is_file():
            info[key] = str(beside)
        else:
            del info[key]
            warn_of_checkpoint(f"its {key}, {path}, is outside of this run, and is forgotten.")


def _folders(runner: Runner) -> list[str]:
    """Where the run's checkpoints go: the work dir, and a hook's `out_dir`/NAME OF THE WORK DIR."""
    outer = [hook.out_dir for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    name = Path(runner.work_dir).name
    return [_parent(f"{folder}/x") for folder in [runner.work_dir]] + [
        _parent(f"{str(folder).rstrip('/')}/{name}/x") for folder in outer if folder
    ]


def _parent(path: str) -> str:
    return path.rpartition("/")[0] if "://" in path else str(Path(path).resolve().parent)


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _no_training(key: str) -> UserError:
    return UserError(
        f"is none of a training, because its {key} is missing or broken: start from it with "
        "--cfg-options load_from=FILE instead of --resume."
    )


def warn_of_checkpoint(text: str) -> None:
    """Say something of the checkpoint that was loaded."""
    warn(f"Of the checkpoint, {text}")
