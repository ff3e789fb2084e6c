"""A training that is given minutes instead of epochs or iterations."""

import inspect
from collections.abc import Collection

from mmdet.registry import PARAM_SCHEDULERS
from mmengine.config import Config, ConfigDict
from mmengine.optim import ReduceOnPlateauParamScheduler

from ..bounds import COUNT, POSITIVE
from ..errors import UserError
from .report import Change
from .resumable import LOOPS
from .schedule import schedulers_of

Pair = tuple[str, object]  # key and value

LOOP = "retina_plugin.BudgetTrainLoop"
LENGTHS = {"EpochBasedTrainLoop": "max_epochs", "IterBasedTrainLoop": "max_iters"}
INTERVALS = {"max_epochs": 1, "max_iters": 1000}  # MMEngine's of validation
HOOKS = {
    "param_scheduler": ("ParamSchedulerHook", "retina_plugin.ShareSchedulerHook"),
    "checkpoint": ("CheckpointHook", "retina_plugin.ShareCheckpointHook"),
}


def fit_to_minutes(cfg: Config, typed: Collection[str] = ()) -> list[Change]:
    """Put in the loop and hooks that train for `minutes`, where the config has them.

    The length of the training and all that is counted in it - milestones, validations,
    checkpoints - stay as written, as parts of the whole.

    Args:
        cfg: the config; changed.
        typed: keys given on the command line.

    Raises:
        UserError: `minutes` is no number above 0, or something else in the config or on the command
            line contradicts it.
    """
    minutes, loop = cfg.get("minutes"), cfg.get("train_cfg")
    if not isinstance(cfg.get("train_dataloader"), dict) or not isinstance(loop, dict):
        return []
    if minutes is None:
        _refuse_loop_of_minutes(loop)
        return []
    if minutes not in POSITIVE:
        raise UserError(f"minutes expects {POSITIVE}, but got {minutes!r}.")
    _refuse_typed_length(minutes, typed)
    if loop.get("type") == LOOP:  # a config that such a training saved
        loop["minutes"] = minutes
        return []
    _check_schedulers(cfg)
    changes = [_loop(cfg, minutes), *_sampler(cfg), *_hooks(cfg), _log(cfg)]
    return [Change(key, value, f"minutes={minutes:g}") for key, value in changes]


def _refuse_loop_of_minutes(loop: ConfigDict) -> None:
    if loop.get("type") == LOOP:
        raise UserError(
            "minutes=None does not fit a config that a training with minutes has saved: use the "
            "config that it was started with."
        )


def _refuse_typed_length(minutes: float, typed: Collection[str]) -> None:
    for key in (f"train_cfg.{length}" for length in LENGTHS.values()):
        if key in typed:
            raise UserError(
                f"minutes={minutes:g} and {key} contradict each other: leave one of them out "
                "(minutes=None if it is the config's)."
            )


def _check_schedulers(cfg: Config) -> None:
    several = cfg.get("param_scheduler")
    if isinstance(several, dict) and "type" not in several:
        raise UserError(
            "param_scheduler: minutes expects one list of schedulers, not one for each optimizer."
        )
    for key, scheduler in schedulers_of(cfg):
        kind = PARAM_SCHEDULERS.get(str(scheduler.get("type")))
        if inspect.isclass(kind) and issubclass(kind, ReduceOnPlateauParamScheduler):
            raise UserError(
                f"{key}: {scheduler['type']} waits for a metric and cannot be fitted into minutes; "
                "use MultiStepLR or CosineAnnealingLR."
            )


def _loop(cfg: Config, minutes: float) -> Pair:
    loop = cfg.train_cfg
    if "type" not in loop and "by_epoch" in loop:
        loop.type = LOOPS[0] if loop.pop("by_epoch") else LOOPS[1]
    length = LENGTHS.get(_plain(loop.get("type")))
    if length is None:
        raise UserError(
            f"train_cfg.type: minutes expects {' or '.join(LENGTHS)}, not {loop.get('type')}."
        )
    if loop.get(length) not in COUNT:
        raise UserError(
            f"train_cfg.{length} expects {COUNT}, but got {loop.get(length)!r}: beside minutes it "
            "is the length that the schedule is written for."
        )
    if loop.pop("dynamic_intervals", None):
        raise UserError("train_cfg.dynamic_intervals: minutes expects a val_interval instead.")
    loop.setdefault("val_interval", INTERVALS[length])
    loop.update(type=LOOP, minutes=minutes)
    return "train_cfg.type", LOOP


def _sampler(cfg: Config) -> list[Pair]:
    """An endless one: MMEngine waits two seconds between the epochs of another."""
    sampler = cfg.train_dataloader.get("sampler")
    if not isinstance(sampler, dict) or _plain(sampler.get("type")) != "DefaultSampler":
        return []
    sampler.pop("round_up", None)
    sampler["type"] = "InfiniteSampler"
    return [("train_dataloader.sampler.type", sampler["type"])]


def _hooks(cfg: Config) -> list[Pair]:
    changes: list[Pair] = []
    for name, (usual, ours) in HOOKS.items():
        hook = cfg.default_hooks.setdefault(name, ConfigDict(type=usual))
        if hook is not None and _plain(hook.get("type")) == usual:
            hook.type = ours
            changes.append((f"default_hooks.{name}.type", ours))
    return changes


def _log(cfg: Config) -> Pair:
    if cfg.get("log_processor") is None:
        cfg.log_processor = ConfigDict(type="LogProcessor")
    cfg.log_processor.by_epoch = False
    logger = cfg.default_hooks.get("logger")
    if isinstance(logger, dict):
        logger.setdefault("log_metric_by_epoch", False)
    return "log_processor.by_epoch", False


def _plain(name: object) -> str:
    """A type's name without the package that it is of."""
    return str(name).rpartition(".")[2]
