"""Honest checkpoints, which must load to what was saved."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local
from torch import Tensor

from .published_layouts import LAYOUTS, WEIGHTS
from .row import Outcome, Row, tally
from .small_training import silence, small_runner

ZIPPED = (True, False)  # today's container, that before PyTorch 1.6
OPTIMIZERS = ({"type": "SGD", "lr": 0.1, "momentum": 0.9}, {"type": "AdamW", "lr": 0.1})
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"type": "MultiStepLR", "milestones": [1]},
    {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False},
    {"type": "OneCycleLR", "eta_max": 0.1, "total_steps": 4, "by_epoch": False},
)
Writer = Callable[[Path], None]


def _put_together(weights: str, layout: str, zipped: bool, path: Path) -> None:
    torch.manual_seed(0)
    content = LAYOUTS[layout](WEIGHTS[weights]())
    torch.save(content, path, _use_new_zipfile_serialization=zipped)


def _trained(optimizer: dict, schedule: dict, path: Path) -> None:
    """One of ours, as a training leaves it."""
    runner = small_runner(
        path.parent / "work", optim_wrapper={"optimizer": optimizer}, param_scheduler=schedule
    )
    runner.train()
    (path.parent / "work" / "epoch_2.pth").replace(path)


def _cases() -> Iterator[tuple[str, Writer]]:
    for optimizer, schedule in product(OPTIMIZERS, SCHEDULES):
        name = f"own, {optimizer['type']}, {schedule['type']}"
        yield name, partial(_trained, optimizer, schedule)
    for layout, weights, zipped in product(LAYOUTS, WEIGHTS, ZIPPED):
        name = f"{layout}, {weights}, {'zip' if zipped else 'before 1.6'}"
        yield name, partial(_put_together, weights, layout, zipped)


CASES = tuple(_cases())


def fault_of(name: str, write: Writer, load: Callable[..., Any]) -> str | None:
    """What differs after loading; None if nothing does."""
    with tempfile.TemporaryDirectory() as folder, silence():
        path = Path(folder) / "a.pth"
        write(path)
        # The file was made a line above.
        expected = torch.load(path, map_location="cpu", weights_only=False)
        try:
            loaded = load(str(path), map_location="cpu")
        except Exception as error:
            return f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}"
        different = difference(_renamed(expected), _renamed(loaded))
        return f"{name}: {different} differs" if different else None


def _renamed(checkpoint: Any) -> Any:
    """With the config's text under its later name, as our reader gives it."""
    meta = checkpoint.get("meta", {})
    if "config" in meta:
        meta["cfg"] = meta.pop("config")
    return checkpoint


def difference(a: Any, b: Any, name: str = "the checkpoint") -> str | None:
    """Where two values differ, None if nowhere; versions of modules count."""
    if type(a) is not type(b):
        return name
    if isinstance(a, dict):
        if list(a) != list(b) or getattr(a, "_metadata", 0) != getattr(b, "_metadata", 0):
            return name
        return next(filter(None, (difference(a[key], b[key], key) for key in a)), None)
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return name
        return next(filter(None, map(partial(difference, name=name), a, b)), None)
    return None if _is_equal(a, b) else name


def _is_equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, HistoryBuffer):
        return all(np.array_equal(x, y) for x, y in zip(a.data, b.data, strict=True))
    return np.array_equal(a, b)


def _results(trials: int, load: Callable[..., Any]) -> Iterator[str | None]:
    for name, write in CASES[:trials]:
        yield fault_of(name, write, load)


def _ours(trials: int) -> Outcome:
    return tally(_results(trials, CheckpointLoader.load_checkpoint))


def _stock(trials: int) -> Outcome:
    return tally(_results(trials, load_from_local))


ROWS = (
    Row(
        "S2",
        "a checkpoint of ours, MMDetection 2.x or 3.x, or torchvision: loads to what was saved",
        _ours,
        trials=len(CASES),
        quick=len(CASES),
        stock=_stock,
        stock_trials=len(CASES),
    ),
)
