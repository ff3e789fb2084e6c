"""Whether a whole checkpoint is there at every instant of a run, and on a full disk."""

import errno
import os
from functools import partial
from pathlib import Path

import numpy as np

from ..compat.whole_file import damage
from .kills import SETTINGS, STOCK, Reference, config_of, reference, resumed, started
from .row import Outcome, Row, tally
from .tiny_training import in_forks, scratch_folder, wait, warm, write_data

FULL_DISKS = 3  # of so many trials one is a full disk


def whole_checkpoints(work_dir: Path) -> list[Path]:
    """Checkpoints of training that can be resumed."""
    names = [*work_dir.glob("epoch_*.pth"), *work_dir.glob("iter_*.pth")]
    return [path for path in names if damage(path) is None]


def instants(data: Path, setting: dict) -> list[str | None]:
    """A run in which at every step on the disk the whole checkpoints are counted."""
    with scratch_folder() as folder:
        work_dir, log = folder / "run", folder / "log"
        log.touch()

        def look(number: int) -> None:  # noqa: ARG001
            there = len(whole_checkpoints(work_dir))
            with log.open("a") as file:
                file.write(f"{there}\n")

        code = wait(started(config_of(data, work_dir, setting), look))
        counts = [int(line) for line in log.read_text().split()]
    first = next((i for i, count in enumerate(counts) if count), len(counts))
    bad = f"no whole checkpoint at an instant ({setting})"
    results = [None if count else bad for count in counts[first:]]
    return results if code == 0 and results else [f"the run ended with {code} ({setting})"]


def full_disk(data: Path, whole: Reference, step: int) -> str | None:
    """A run whose disk is full from a step on: it ends in a sentence, and can be resumed."""

    def fill(number: int) -> None:
        if number >= step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with scratch_folder() as folder:
        where = f"disk full at step {step} of {whole.steps}"
        code = wait(started(config_of(data, folder, whole.setting), fill))
        return resumed(data, folder, whole, where) if code == 1 else f"{where}: it gave {code}"


def disk_trials(trials: int, stock: bool = False) -> Outcome:
    """R2: whole checkpoints at every instant, and with a disk that is full."""
    warm()
    with scratch_folder() as folder:
        data = write_data(folder / "data")
        settings = [{**setting, **(STOCK if stock else {})} for setting in SETTINGS[:2]]
        looked = [result for setting in settings for result in instants(data, setting)]
        if stock:
            return tally(looked[:trials], "at every instant of a run")
        looked = looked[: trials - trials // FULL_DISKS]
        whole = reference(data, folder / "whole", settings[0])
        picked = np.linspace(0, whole.steps - 1, trials - len(looked)).round().astype(int)
        full = in_forks([partial(full_disk, data, whole, step) for step in picked])
        return tally([*looked, *full], f"{len(looked)} instants, {len(full)} times a full disk")


ROWS = (
    Row(
        "R2",
        "at any instant, and on a full disk, a whole checkpoint is there",
        disk_trials,
        trials=120,
        quick=6,
        stock=partial(disk_trials, stock=True),
        stock_trials=60,
    ),
)
