"""Runs that are killed, and what they end with after they were resumed."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from ..compat.safe_load import read_checkpoint
from .disk_events import DiskEvents
from .row import Outcome, Row, tally
from .tiny_training import (
    forked,
    in_forks,
    scratch_folder,
    tiny_config,
    train,
    wait,
    warm,
    write_data,
)

EPOCHS = 3
KEEP = "default_hooks__checkpoint__max_keep_ckpts"
BY_EPOCH, INTERVAL = "default_hooks__checkpoint__by_epoch", "default_hooks__checkpoint__interval"
WORKERS = "train_dataloader__num_workers"
# One checkpoint only; in the middle of an epoch; with workers; a good one as best.
SETTINGS: tuple[dict[str, Any], ...] = (
    {KEEP: 1},
    {KEEP: 2, BY_EPOCH: False, INTERVAL: 3},
    {KEEP: 1, BY_EPOCH: False, INTERVAL: 3, WORKERS: 2},
)
STOCK = {
    "exact_resume": False,
    "default_hooks__checkpoint__type": "mmengine.CheckpointHook",
}
RANDOM_SHARE = 0.25  # of the kills come at a random time, the others at a step on the disk


class Reference(NamedTuple):
    """A run that nothing interrupted."""

    setting: dict[str, Any]
    final: dict[str, Tensor]
    steps: int  # on the disk
    seconds: float


def config_of(data: Path, work_dir: Path, setting: dict) -> Config:
    """Of a run of three epochs on the data."""
    return tiny_config(data, work_dir, train_cfg__max_epochs=EPOCHS, **setting)


def _final(work_dir: Path) -> dict[str, Tensor]:
    """Weights and momenta at the end of a run."""
    content = read_checkpoint(work_dir / Path((work_dir / "last_checkpoint").read_text()).name)
    momenta = content["optimizer"]["state"]
    state = {f"momentum {key}": value["momentum_buffer"] for key, value in momenta.items()}
    return content["state_dict"] | state


def started(cfg: Config, act: Callable[[int], None] | None = None) -> int:
    """Train in a fork that does `act` at each step on the disk; gives its process id."""

    def work() -> int:
        if act is not None:
            DiskEvents(Path(cfg.work_dir), act)
        return train(cfg)

    return forked(work)


def reference(data: Path, folder: Path, setting: dict) -> Reference:
    """Train without an interruption, counting."""
    steps = folder / "steps"
    folder.mkdir(parents=True)

    def count(number: int) -> None:
        steps.write_text(str(number + 1))

    begun = time.monotonic()
    code = wait(started(config_of(data, folder / "run", setting), count))
    seconds = time.monotonic() - begun
    if code:
        raise RuntimeError(f"the run without a fault ended with {code}.")
    return Reference(setting, _final(folder / "run"), int(steps.read_text()), seconds)


def killed_at_step(data: Path, whole: Reference, step: int) -> str | None:
    """A run killed before a step on the disk and resumed: what differs from `whole`."""

    def kill(number: int) -> None:
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with scratch_folder() as folder:
        code = wait(started(config_of(data, folder, whole.setting), kill))
        if code != -signal.SIGKILL:
            return f"step {step}: the run ended with {code} before it was killed"
        return resumed(data, folder, whole, f"killed at step {step} of {whole.steps}")


def killed_at_time(data: Path, whole: Reference, share: float) -> str | None:
    """The same, killed after a share of the time of a run."""
    with scratch_folder() as folder:
        child = started(config_of(data, folder, whole.setting))
        time.sleep(share * whole.seconds)
        os.kill(child, signal.SIGKILL)
        wait(child)
        return resumed(data, folder, whole, f"killed after {share:.2f} of a run")


def resumed(data: Path, folder: Path, whole: Reference, where: str) -> str | None:
    """Resume a run and compare its end; `where` is what was done to it."""
    cfg = config_of(data, folder, whole.setting)
    cfg.resume = True
    code = wait(started(cfg))
    if code:
        return f"{where}: resuming ended with {code} ({whole.setting})"
    final = _final(folder)
    different = [key for key in whole.final if not _equal(final.get(key), whole.final[key])]
    if not different:
        return None
    return f"{where}: {len(different)} tensors differ, {different[0]} first ({whole.setting})"


def _equal(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and torch.equal(one, other)


def kill_trials(trials: int, stock: bool = False) -> Outcome:
    """R1: kills at every step on the disk, evenly picked, and at random times."""
    warm()
    with scratch_folder() as folder:
        data = write_data(folder / "data")
        settings = [{**setting, **(STOCK if stock else {})} for setting in SETTINGS]
        settings = settings[: max(1, min(trials // 2, len(settings)))]
        wholes = [reference(data, folder / str(i), each) for i, each in enumerate(settings)]
        random = round(trials * RANDOM_SHARE)
        works = _at_steps(data, wholes, trials - random) + _at_times(data, wholes, random)
        steps = sum(whole.steps for whole in wholes)
        return tally(in_forks(works), f"{steps} steps on the disk, {random} kills at random")


def _at_steps(data: Path, wholes: list[Reference], count: int) -> list[partial]:
    every = [(whole, step) for whole in wholes for step in range(whole.steps)]
    picked = np.linspace(0, len(every) - 1, count).round().astype(int)
    return [partial(killed_at_step, data, *every[i]) for i in picked]


def _at_times(data: Path, wholes: list[Reference], count: int) -> list[partial]:
    shares = np.random.default_rng(0).uniform(0.1, 1.0, count)
    return [
        partial(killed_at_time, data, wholes[i % len(wholes)], share)
        for i, share in enumerate(shares)
    ]


ROWS = (
    Row(
        "R1",
        "killed at any step: resumes, every tensor as without the kill",
        kill_trials,
        trials=240,
        quick=4,
        stock=partial(kill_trials, stock=True),
        stock_trials=12,
    ),
)
