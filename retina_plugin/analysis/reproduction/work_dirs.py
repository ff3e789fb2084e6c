"""Runs of the paper's rows on COCO, as MMEngine left them in their work dirs."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...engine.launch import read_file
from ...errors import UserError
from ...recipe import resolve
from ..dataset_name import evaluation_data
from ..scalars import curve, last_metrics, progress
from .results import Finished

SEED = re.compile(r"_seed(\d+)$")
LENGTH = 0.99  # of a row's images: a run that saw fewer is another experiment
SHOWN = 2  # settings in a message


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
    found: list[Finished] = []
    left_out: list[LeftOut] = []
    for row, work_dir in _named(folder, configs):
        read = read_work_dir(row, work_dir, configs[row])
        (left_out if isinstance(read, LeftOut) else found).append(read)  # type: ignore[arg-type]
    for each in found:
        if each.data != found[0].data:
            raise UserError(
                f"{folder}: {each.row} was evaluated on {each.data}, but {found[0].row} on "
                f"{found[0].data}: rows of different data are not compared."
            )
    return found, left_out


def _named(folder: Path, configs: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        row = SEED.sub("", path.name)
        if path.is_dir() and row in configs:
            yield row, path


def read_work_dir(row: str, work_dir: Path, config: Path) -> Finished | LeftOut:
    """A run that went to its end, or diverged; else why it is not counted."""
    dumped = sorted(work_dir.glob("*.py"))
    if not dumped:
        return LeftOut(row, f"{work_dir} holds no config: it was never started")
    cfg = read_file(str(dumped[-1]))
    reason = why_not(work_dir, cfg, resolve(read_file(str(config)), say=None))
    return LeftOut(row, f"{work_dir} {reason}") if reason else _finished(row, work_dir, cfg)


def why_not(work_dir: Path, cfg: Config, own: Config) -> str:
    """Why a run does not count for a row; empty if it does.

    Args:
        work_dir: of the run.
        cfg: that it was made with.
        own: the row's.
    """
    others = differences(cfg.get("model", {}), own.model, "model.")
    if others:
        return f"is another experiment: {'; '.join(others[:SHOWN])}"
    seen, wanted = images_of(cfg), images_of(own)
    if seen < LENGTH * wanted:
        return f"is set to see {seen:,} images, the row {wanted:,}"
    last, evaluated = progress(work_dir)
    length, every = cfg.train_cfg.max_iters, cfg.default_hooks.logger.get("interval", 10)
    if not end_of(work_dir) and (evaluated is None or evaluated <= length - every):
        return f"is unfinished: {last:,} of {length:,} iterations"
    return ""


def _finished(row: str, work_dir: Path, cfg: Config) -> Finished:
    ended, seed = end_of(work_dir), SEED.search(work_dir.name)
    return Finished(
        row=row,
        seed=int(seed.group(1)) if seed else 0,
        iterations=cfg.train_cfg.max_iters,
        data=evaluation_data(cfg),
        ended=ended,
        metrics={} if ended else last_metrics(work_dir),
        seconds=0.0,
        losses=curve(work_dir),
    )


def differences(given: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str) -> list[str]:
    """The settings in which a config differs from another, in words."""
    found = []
    for key in sorted(given.keys() | wanted.keys()):
        one, other = given.get(key), wanted.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{prefix}{key}.")
        elif _plain(one) != _plain(other):
            found.append(f"{prefix}{key} is {one!r}, the row's {other!r}")
    return found


def _plain(value: Any) -> Any:
    """A file's lists and tuples are the same."""
    return json.loads(json.dumps(value, default=repr))


def images_of(cfg: Config) -> int:
    """How many images a schedule sees; a resolved config tells the real batch."""
    return cfg.train_cfg.max_iters * cfg.auto_scale_lr.base_batch_size


def end_of(work_dir: Path) -> str:
    """How the last run was stopped by a loss or gradient that was not finite; empty if by none."""
    runs = sorted(path.parent for path in work_dir.glob("*/vis_data"))
    reports = sorted(runs[-1].glob("not_finite_iter_*")) if runs else []
    if not reports:
        return ""
    return f"iteration {reports[-1].name.rpartition('iter_')[2]} was not finite"
