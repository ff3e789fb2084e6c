"""Learning rate and lengths of a schedule, scaled to the images that a step really sees."""

import math
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict

from .report import Change

LENGTHS = (
    *("begin", "end", "milestones", "periods"),
    *("T_max", "step_size", "total_iters", "total_steps"),
)
OF_LOOP = ("max_iters", "val_interval", "val_begin", "dynamic_intervals")
RATES = ("lr", "eta_min", "eta_max")


class Batch(NamedTuple):
    """How many images a step of the optimizer sees, and where they come from."""

    per_process: int
    processes: int
    accumulated: int

    @property
    def forward(self) -> int:
        """Images in one forward pass of all processes, which is one iteration of MMEngine."""
        return self.per_process * self.processes

    @property
    def step(self) -> int:
        """Images in one step of the optimizer."""
        return self.forward * self.accumulated


def real_batch(cfg: Config, world_size: int) -> Batch:
    """The batch that the config leads to."""
    accumulated = cfg.get("optim_wrapper", {}).get("accumulative_counts", 1)
    return Batch(cfg.train_dataloader.get("batch_size", 1), world_size, accumulated)


def scale_schedule(cfg: Config, world_size: int, typed: Collection[str] = ()) -> list[Change]:
    """Scales learning rate, iterations and milestones to the real batch, once.

    Iterations so that as many images are seen; the rate linearly for SGD (Goyal et al.,
    arXiv 1706.02677) and with the square root for adaptive optimizers (Malladi et al.,
    arXiv 2205.10287). Lengths in epochs stay, and so do the keys in `typed` and what
    lies inside them.
    `auto_scale_lr.enable=False` turns it off.
    """
    scaling = cfg.get("auto_scale_lr") or ConfigDict()
    if not _trains(cfg) or not scaling.get("enable"):
        return []
    batch, base = real_batch(cfg, world_size), scaling.base_batch_size
    # MMEngine's Runner would otherwise scale the rate once more.
    scaling.enable = False
    scaling.base_batch_size = batch.step
    changes = _scaled_rates(cfg, batch.step / base) + _scaled_lengths(cfg, base / batch.forward)
    return [change for change in changes if _apply(cfg, change, typed)]


def _trains(cfg: Config) -> bool:
    return bool(cfg.get("train_dataloader") and cfg.get("optim_wrapper"))


def _apply(cfg: Config, change: Change, typed: Collection[str]) -> bool:
    if any(f"{change.key}.".startswith(f"{key}.") for key in typed):
        return False
    *path, last = change.key.split(".")
    section = cfg
    for part in path:
        section = section[int(part)] if isinstance(section, list | tuple) else section[part]
    section[last] = change.value
    return True


def schedulers_of(cfg: Config) -> list[tuple[str, ConfigDict]]:
    """The schedulers, one or a list: (key in the config, the scheduler's config)."""
    schedulers = cfg.get("param_scheduler") or []
    if isinstance(schedulers, dict):
        return [("param_scheduler", schedulers)]
    return [(f"param_scheduler.{index}", one) for index, one in enumerate(schedulers)]


def is_linear(optimizer: object) -> bool:
    """Whether an optimizer's rate scales linearly with the batch."""
    return str(optimizer).rpartition(".")[2].startswith("SGD")


def rate_factor(optimizer: object, ratio: float) -> float:
    """By what a rate grows where a step sees `ratio` times the images; see `scale_schedule`."""
    return ratio if is_linear(optimizer) else math.sqrt(ratio)


def _scaled_rates(cfg: Config, ratio: float) -> list[Change]:
    if ratio == 1:
        return []
    optimizer = cfg.optim_wrapper.optimizer
    linear, factor = is_linear(optimizer.type), rate_factor(optimizer.type, ratio)
    rule = "linearly" if linear else f"by the square root, for {optimizer.type}"
    reason = f"a step sees {ratio:g} times the schedule's images: rates scale {rule}"
    of_rate = [each for each in schedulers_of(cfg) if not each[1].type.endswith("Momentum")]
    targets = [("optim_wrapper.optimizer", optimizer), *of_rate]
    return [
        Change(f"{key}.{field}", section[field] * factor, reason)
        for key, section in targets
        for field in RATES
        if section.get(field)
    ]


def _scaled(length: Any, factor: float) -> Any:
    if isinstance(length, list | tuple):
        return [_scaled(one, factor) for one in length]
    return max(1, round(length * factor)) if math.isfinite(length) else length


def _lengths(cfg: Config) -> Iterator[tuple[str, ConfigDict, tuple[str, ...]]]:
    for key, scheduler in schedulers_of(cfg):
        if not scheduler.get("by_epoch", True):
            yield key, scheduler, LENGTHS
    if "max_iters" in cfg.get("train_cfg", {}):
        yield "train_cfg", cfg.train_cfg, OF_LOOP
    checkpoint = (cfg.get("default_hooks") or {}).get("checkpoint") or {}
    if not checkpoint.get("by_epoch", True):
        yield "default_hooks.checkpoint", checkpoint, ("interval",)


def _scaled_lengths(cfg: Config, factor: float) -> list[Change]:
    if factor == 1:
        return []
    reason = f"an iteration sees {1 / factor:g} times the schedule's images: lengths scale"
    return [
        Change(f"{key}.{field}", _scaled(section[field], factor), reason)
        for key, section, fields in _lengths(cfg)
        for field in fields
        if section.get(field)
    ]


def describe_schedule(cfg: Config, world_size: int) -> list[Change]:
    """Says batch, learning rate and warm-up, and warns of a batch that nothing was scaled to."""
    if not _trains(cfg):
        return []
    batch = real_batch(cfg, world_size)
    base = (cfg.get("auto_scale_lr") or {}).get("base_batch_size", batch.step)
    images = f"{batch.step} ({batch.per_process} x {batch.processes} processes"
    images += f" x {batch.accumulated} accumulated)"
    if base != batch.step:
        images += f"; WARNING: written for {base}, not scaled (auto_scale_lr.enable=False)"
    values = {
        "images a step": images,
        "learning rate": cfg.optim_wrapper.optimizer.get("lr", "the optimizer's own, not scaled"),
        "warm-up": _warm_up(cfg),
    }
    return [Change(key, value, "the schedule") for key, value in values.items()]


def _warm_up(cfg: Config) -> str:
    for _, scheduler in schedulers_of(cfg):
        if scheduler.get("type") in ("LinearLR", "OneCycleLR"):
            unit = "epochs" if scheduler.get("by_epoch", True) else "iterations"
            length = scheduler.get("end") or scheduler.get("total_steps")
            limit = ", at most a sixth of the training" if cfg.get("minutes") else ""
            return f"{scheduler.type} over {length} {unit}{limit}"
    return "none: param_scheduler has no LinearLR"
