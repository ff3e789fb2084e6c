"""What the protection costs: the time of our hooks and checks within that of an iteration."""

import contextlib
import functools
import io
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..data import coco
from ..data.image_checks import ImageChecks
from ..data.seeding import SeededDataset
from ..engine.finite import FiniteGuard
from ..engine.guard import GuardHook
from ..engine.seeding import SeedHook
from ..engine.stopping import StopHook
from .row import Outcome, Row, tally
from .tiny_training import scratch_folder, tiny_config, train, warm, write_data

LIMIT = 0.01  # of an iteration
WARM_UP = 3  # iterations that do not count
SIDE, IMAGES = 320, 8
R18 = {
    "model__backbone__base_channels": 64,
    "model__neck__in_channels": [64, 128, 256, 512],
    "model__neck__out_channels": 256,
    "model__bbox_head__in_channels": 256,
    "model__bbox_head__feat_channels": 256,
    "model__bbox_head__stacked_convs": 4,
    "optim_wrapper__dtype": "auto",
    "train_dataloader__batch_size": IMAGES,
    "image_scale": (SIDE, SIDE),
}
ITERATION = ("before_train_iter", "after_train_iter")
# Everything that runs in each iteration, and what of it is not ours.
OURS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (GuardHook, ITERATION),
    (StopHook, ITERATION[1:]),
    (SeedHook, ITERATION[:1]),
    (FiniteGuard, ("see", "suppresses", "end")),
    (SeededDataset, ("__getitem__",)),
    (ImageChecks, ("check_file", "check_decoded", "count_degenerate")),
    (coco, ("drop_degenerate",)),
)
# What of these is MMDetection's.
THEIRS: tuple[tuple[Any, tuple[str, ...]], ...] = ((BaseDataset, ("__getitem__",)),)


class Clock(Hook):
    """Seconds of each iteration, and those of them that are ours."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.ours = 0.0
        self.iterations: list[tuple[float, float]] = []
        self._begun = time.perf_counter()

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:  # noqa: ARG002
        """Note the iteration, loading its images included."""
        now = time.perf_counter()
        self.iterations.append((self.ours, now - self._begun))
        self.ours, self._begun = 0.0, now

    @property
    def share(self) -> float:
        """Median over the iterations that count."""
        return statistics.median(ours / whole for ours, whole in self.iterations[WARM_UP:])


@contextlib.contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Inside, what `OURS` names adds its time to the clock, without that of the data inside."""
    with contextlib.ExitStack() as patches:
        for sign, owners in ((1, OURS), (-1, THEIRS)):
            for owner, names in owners:
                for name in names:
                    timed = _timed(getattr(owner, name), clock, sign)
                    patches.enter_context(mock.patch.object(owner, name, timed))
        yield


def _timed(function: Any, clock: Clock, sign: int) -> Any:
    @functools.wraps(function)
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            clock.ours += sign * (time.perf_counter() - begun)

    return timed


def measured(data: Path, folder: Path, epochs: int) -> Clock:
    """Train R18 at 320 px with a clock in every iteration."""
    cfg = tiny_config(data, folder, train_cfg__max_epochs=epochs, **R18)
    cfg.train_cfg.val_interval = cfg.default_hooks.checkpoint.interval = epochs + 1
    clock = Clock()
    with watched(clock), contextlib.redirect_stdout(io.StringIO()):
        code = train(cfg, lambda runner: runner.register_hook(clock))
    if code:
        raise RuntimeError(f"the training ended with {code}.")
    return clock


def _trials(trials: int) -> Outcome:
    """So many epochs of 4 iterations, judged by their median."""
    warm()
    with scratch_folder() as folder:
        data = write_data(folder / "data", images=4 * IMAGES)
        clock = measured(data, folder / "run", trials + 1)
    said = f"{clock.share:.2%} of an iteration (ResNet-18, {IMAGES} images of {SIDE} px)"
    return tally([None if clock.share < LIMIT else said], said)


ROWS = (Row("cost", "hooks and checks take under 1 % of an iteration", _trials, trials=4),)
