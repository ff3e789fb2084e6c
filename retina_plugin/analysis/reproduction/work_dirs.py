"""Runs of the paper's rows on COCO, as MMEngine left them in their work dirs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...engine.launch import UNFIT, read_file
from ...errors import UserError
from ...recipe import resolve
from ..dataset_name import evaluation_data
from ..scalars import curve, last_metrics, progress, training_log
from .results import Finished, wrong_metrics

SEED = re.compile(r"_seed(\d+)$")
GPUS = re.compile(r"GPU number: (\d+)")
SHOWN = 2  # settings in a message
NO_SETTINGS = ("model.backbone.init_cfg.checkpoint",)  # a file may lie elsewhere


@dataclass(frozen=True)
class LeftOut:
    """A work dir that is not compared."""

    row: str
    reason: str


def read_work_dirs(
    folder: Path, configs: Mapping[str, Path]
) -> tuple[list[Finished], list[LeftOut]]:
    """What is in the work dirs of rows, `ROW` or `ROW_seedN` below a folder.

    Args:
        folder: `work_dirs`.
        configs: of all rows.

    Raises:
        UserError: rows were evaluated on different data.
    """
    found: dict[tuple[str, int], Finished] = {}
    left_out: list[LeftOut] = []
    for row, path in _named(folder, configs):
        each = _readable(row, path, configs[row])
        if isinstance(each, Finished) and (row, each.seed) in found:
            each = LeftOut(row, f"{path} is of seed {each.seed}, as another work dir of this row")
        if isinstance(each, LeftOut):
            left_out.append(each)
        else:
            found[row, each.seed] = each
    _check_data(list(found.values()), folder)
    return list(found.values()), left_out


def _check_data(found: list[Finished], folder: Path) -> None:
    for each in found:
        if each.data != found[0].data:
            raise UserError(
                f"{folder}: {each.row} was evaluated on {each.data}, but {found[0].row} on "
                f"{found[0].data}: rows of different data are not compared."
            )


def _named(folder: Path, configs: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        row = SEED.sub("", path.name)
        if path.is_dir() and row in configs:
            yield row, path


def _readable(row: str, work_dir: Path, config: Path) -> Finished | LeftOut:
    try:
        return read_work_dir(row, work_dir, config)
    except (*UNFIT, OSError) as error:
        return LeftOut(row, f"{work_dir} cannot be read ({type(error).__name__}: {error})")


def read_work_dir(row: str, work_dir: Path, config: Path) -> Finished | LeftOut:
    """A run that went to its end, or diverged; else why it is not counted."""
    log = training_log(work_dir)
    if log is None or not (log.parent / "config.py").is_file():
        return LeftOut(row, f"{work_dir} holds no log of a training")
    cfg = read_file(str(log.parent / "config.py"))  # that of this training: a test writes its own
    reason = why_not(log, cfg, expected(config, cfg))
    if reason:
        return LeftOut(row, f"{work_dir} {reason}")
    done, evaluated = progress(work_dir)
    every, length = cfg.default_hooks.logger.get("interval", 10), cfg.train_cfg.max_iters
    if evaluated is not None and evaluated > length - every:
        finished = _finished(row, work_dir, cfg, "")
        wrong = wrong_metrics(finished.metrics)
        return LeftOut(row, f"{work_dir} {wrong}") if wrong else finished
    if ended := end_of(log):
        return _finished(row, work_dir, cfg, ended)
    return LeftOut(row, f"{work_dir} is unfinished: {done:,} of {length:,} iterations")


def expected(config: Path, cfg: Config) -> Config:
    """A row's config, filled in as a run's was."""
    own = read_file(str(config))
    own.fast = cfg.get("fast", own.get("fast"))  # another runtime is the same experiment
    return resolve(own, say=None)


def why_not(log: Path, cfg: Config, own: Config) -> str:
    """Why a run is not of a row; empty if it is.

    Args:
        log: of the run.
        cfg: that it was made with.
        own: the row's.
    """
    others = differences(settings_of(cfg), settings_of(own))
    if others:
        return f"is another experiment: {'; '.join(others[:SHOWN])}"
    gpus, batch = gpus_of(log), cfg.train_dataloader.batch_size
    if gpus and gpus * batch != cfg.auto_scale_lr.base_batch_size:
        return (
            f"saw {gpus * batch} images a step, but its schedule is for "
            f"{cfg.auto_scale_lr.base_batch_size}"
        )
    return ""


def settings_of(cfg: Config) -> dict[str, Any]:
    """What makes the experiment, by the image where it depends on the number of GPUs."""
    batch, optimizer = cfg.auto_scale_lr.base_batch_size, dict(cfg.optim_wrapper.optimizer)
    optimizer["lr of an image"] = round(optimizer.pop("lr") / batch, 9)
    return {
        "model": cfg.get("model", {}),
        "optimizer": optimizer,
        "images": round(cfg.train_cfg.max_iters * batch, -3),
        "training pipeline": cfg.train_dataloader.dataset.pipeline,
        "evaluation pipeline": cfg.val_dataloader.dataset.pipeline,
    }


def gpus_of(log: Path) -> int | None:
    """How many processes trained, by MMEngine's text beside; None where it does not say."""
    texts = log.parents[1].glob("*.log")
    found = [GPUS.search(path.read_text(errors="replace")) for path in texts]
    return next((int(each.group(1)) for each in found if each), None)


def _finished(row: str, work_dir: Path, cfg: Config, ended: str) -> Finished:
    return Finished(
        row=row,
        seed=_seed_of(work_dir, cfg),
        iterations=cfg.train_cfg.max_iters,
        data=evaluation_data(cfg),
        ended=ended,
        metrics={} if ended else last_metrics(work_dir),
        seconds=0.0,
        losses=curve(work_dir),
    )


def _seed_of(work_dir: Path, cfg: Config) -> int:
    """That of the config; where it left the seed to chance, the number of the folder."""
    chosen = cfg.get("randomness", {}).get("seed")
    named = SEED.search(work_dir.name)
    return chosen if chosen is not None else int(named.group(1)) if named else 0


def differences(given: Any, wanted: Any, name: str = "") -> list[str]:
    """The settings in which a config differs from another, in words."""
    if name in NO_SETTINGS:
        return []
    if isinstance(given, list | tuple) and isinstance(wanted, list | tuple):
        given, wanted = dict(enumerate(given)), dict(enumerate(wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        keys = [*given, *(key for key in wanted if key not in given)]
        prefix = f"{name}." if name else ""
        return [
            difference
            for key in keys
            for difference in differences(given.get(key), wanted.get(key), f"{prefix}{key}")
        ]
    return [] if given == wanted else [f"{name} is {given!r}, the row's {wanted!r}"]


def end_of(log: Path) -> str:
    """How a training was stopped by what was not finite; empty if it was not."""
    found = [path.name.rpartition("iter_")[2] for path in log.parents[1].glob("not_finite_iter_*")]
    last = max((int(number) for number in found if number.isdecimal()), default=None)
    return "" if last is None else f"iteration {last} was not finite"
