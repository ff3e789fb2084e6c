"""Broken checkpoints, at each place where a run reads one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner import runner as mmengine_runner
from mmengine.runner.checkpoint import load_from_local

from ..compat.safe_load import read_checkpoint
from ..engine.checkpoint import POINTER
from ..errors import UserError
from .breakages import SERIAL, SINGLE, Breakage
from .row import Outcome, Row, tally
from .small_training import silence, small_runner

USES = ("load_from", "test", "resume PATH", "resume")
STILL: dict[str, Any] = {"optimizer": {"type": "SGD", "lr": 0.0, "momentum": 0.9}}
LATER = 2_000_000_000  # seconds; the broken file is the youngest


def _cases() -> list[tuple[str, Breakage, str]]:
    single = [(name, SINGLE[name], use) for name, use in product(SINGLE, USES)]
    turns = zip(SERIAL.items(), cycle(USES), strict=False)
    # By turns, so that a few trials are of both kinds.
    serial = [(name, breakage, use) for (name, breakage), use in turns]
    both = zip(single, serial, strict=False)
    return [case for pair in both for case in pair] + single[len(serial) :]


CASES = _cases()


def fault_of(case: tuple[str, Breakage, str], trained: Path, is_ours: bool) -> str | None:
    """What goes wrong with a broken file: a run with other weights, or an error not in words.

    Args:
        case: name, breakage and use.
        trained: work dir of a training of two epochs, which is left as it is.
        is_ours: False for MMEngine's own parts.
    """
    name, breakage, use = case
    with tempfile.TemporaryDirectory() as folder, silence():
        work_dir = Path(folder) / "work"
        shutil.copytree(trained, work_dir)
        broken = work_dir / "epoch_2.pth"
        broken.unlink()
        breakage(trained / "epoch_2.pth", broken)
        if broken.is_file():
            os.utime(broken, (LATER, LATER))
        try:
            model = _run(work_dir, broken, use, is_ours).model
        except UserError as error:
            return None if "\n" not in str(error) else f"{use}, {name}: several lines"
        except Exception as error:
            return f"{use}, {name}: {type(error).__name__}" if is_ours else None
        return _other_weights(f"{use}, {name}", model, trained, use)


def _run(work_dir: Path, broken: Path, use: str, is_ours: bool) -> Runner:
    options: dict[str, Any] = {"optim_wrapper": STILL}
    if use != "resume":
        options["load_from"] = str(broken)
    if use.startswith("resume"):
        options.update(resume=True, train_cfg={"by_epoch": True, "max_epochs": 3})
    if use == "test":
        options.update(_testing())
    with _parts(is_ours):
        if not is_ours:
            options["default_hooks"] = {}
        runner = small_runner(work_dir, **options)
        runner.test() if use == "test" else runner.train()
    return runner


def _testing() -> dict[str, Any]:
    loader = {
        "dataset": [{"inputs": torch.ones(2)}],
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    return {"test_dataloader": loader, "test_cfg": {}, "test_evaluator": []}


def _parts(is_ours: bool) -> Any:
    """MMEngine's own functions in place of ours, where those are asked for."""
    if is_ours:
        return mock.patch.dict(CheckpointLoader._schemes, {})
    return mock.patch.multiple(
        mmengine_runner, find_latest_checkpoint=_latest, _load_checkpoint=_load
    )


def _latest(work_dir: str) -> str:
    """What MMEngine does: it takes what `last_checkpoint` names."""
    return str(Path(work_dir) / (Path(work_dir) / POINTER).read_text())


def _load(filename: str, map_location: Any = None, logger: Any = None) -> Any:  # noqa: ARG001
    return load_from_local(filename, map_location)


def _other_weights(name: str, model: torch.nn.Module, trained: Path, use: str) -> str | None:
    """Whether a run that ended well has weights that are not the saved ones."""
    saved = read_checkpoint(trained / "epoch_1.pth")["state_dict"]
    parts = ("backbone", "neck") if use == "load_from" else ("backbone", "neck", "bbox_head")
    for key, value in model.named_parameters():
        if key.startswith(parts) and not torch.equal(value, saved[key]):
            return f"{name}: ends well, but {key} is not the saved one"
    return None


def _results(trials: int, is_ours: bool) -> Iterator[str | None]:
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder) / "trained"
        torch.manual_seed(0)
        with silence():
            small_runner(trained, optim_wrapper=STILL).train()
        if not is_ours:
            make_plain(trained)
        for case in CASES[:trials]:
            yield fault_of(case, trained, is_ours)


def make_plain(trained: Path) -> None:
    """Leave out of the files what stock cannot read since PyTorch 2.6."""
    for path in trained.glob("epoch_*.pth"):
        checkpoint = read_checkpoint(path)
        hub: dict[str, dict] = {key: {} for key in checkpoint["message_hub"]}
        torch.save({**checkpoint, "message_hub": hub}, path)


def _ours(trials: int) -> Outcome:
    return tally(_results(trials, is_ours=True))


def _stock(trials: int) -> Outcome:
    return tally(_results(trials, is_ours=False))


ROWS = (
    Row(
        "R3",
        "a broken checkpoint: a sentence, or the one before it; never other weights",
        _ours,
        trials=len(CASES),
        quick=24,
        stock=_stock,
        stock_trials=len(CASES),
    ),
)
