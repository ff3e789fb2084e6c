"""Runs of the paper's rows on COCO, as MMEngine left them in their work dirs."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config

from ...engine.launch import UNFIT, read_file
from ...errors import UserError
from ..dataset_name import evaluation_data
from ..scalars import curve, last_metrics, progress, training_log
from .results import Finished, wrong_metrics
from .row_settings import why_not

NUMBER = re.compile(r"_seed(\d+)$")
SEED = re.compile(r"^ +seed: (\d+)$", re.MULTILINE)
REPORT = re.compile(r"not_finite_iter_(\d+)")


@dataclass(frozen=True)
class LeftOut:
    """A work dir that is not compared."""

    row: str
    reason: str


def read_work_dirs(
    folder: Path, configs: Mapping[str, Path], groups: list[list[str]]
) -> tuple[list[Finished], list[LeftOut]]:
    """What is in the work dirs of rows, `ROW` or `ROW_seedN` below a folder.

    Args:
        folder: `work_dirs`.
        configs: of all rows.
        groups: rows that train the same, together; their runs are numbered in common.

    Raises:
        UserError: rows were trained or evaluated on different data.
    """
    found: list[Finished] = []
    left_out: list[LeftOut] = []
    trainings = _Trainings(groups)
    for row, path in _named(folder, configs):
        each = _readable(row, path, configs[row])
        if isinstance(each, Finished):
            each = trainings.numbered(path, each)
        if isinstance(each, LeftOut):
            left_out.append(each)
        else:
            found.append(each)
    _check_data(found, folder)
    return found, left_out


class _Trainings:
    """Tells the trainings of rows that train the same from each other, and numbers them.

    A config that leaves its seed to chance trains anew in each work dir, so that two of them are
    two runs, even where neither has a number in its name.
    """

    def __init__(self, groups: list[list[str]]) -> None:
        self.first = {row: group[0] for group in groups for row in group}
        self.paths: dict[tuple[str, int], Path] = {}  # by the seed that MMEngine's log tells
        self.taken: set[tuple[str, int]] = set()

    def numbered(self, path: Path, run: Finished) -> Finished | LeftOut:
        """The run with a number that no other one has, if it is no other one."""
        group = self.first[run.row]
        seed = seed_in_log(path)
        known = group, run.seed if seed is None else seed
        if known in self.paths:
            other = self.paths[known]
            return LeftOut(
                run.row, f"{path} is of seed {known[1]}, as {other}, and trains the same"
            )
        numbers = itertools.chain([run.seed], itertools.count())
        number = next(each for each in numbers if (group, each) not in self.taken)
        self.paths[known] = path
        self.taken.add((group, number))
        return replace(run, seed=number)


def _check_data(found: list[Finished], folder: Path) -> None:
    for each in found:
        if each.data != found[0].data:
            raise UserError(
                f"{folder}: {each.row} was evaluated on {each.data}, but {found[0].row} on "
                f"{found[0].data}: rows of different data are not compared."
            )


def _named(folder: Path, configs: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        row = NUMBER.sub("", path.name)
        if path.is_dir() and row in configs:
            yield row, path


def _readable(row: str, work_dir: Path, config: Path) -> Finished | LeftOut:
    try:
        return read_work_dir(row, work_dir, config)
    except (*UNFIT, OSError) as error:
        return LeftOut(row, f"{work_dir} cannot be read ({type(error).__name__}: {error})")


def read_work_dir(row: str, work_dir: Path, config: Path) -> Finished | LeftOut:
    """A run that went to its end, or diverged; else why it is not counted."""
    log = _last_log(work_dir)
    if log is None or not (log.parent / "config.py").is_file():
        return LeftOut(row, f"{work_dir} holds no log of a training")
    cfg = read_file(str(log.parent / "config.py"))  # that of this training: a test writes its own
    if reason := why_not(_text(log), cfg, config):
        return LeftOut(row, f"{work_dir} {reason}")
    done, evaluated = progress(log)
    every, length = cfg.default_hooks.logger.get("interval", 10), cfg.train_cfg.max_iters
    if evaluated is not None and evaluated > length - every:
        finished = _finished(row, work_dir, cfg, log)
        wrong = wrong_metrics(finished.metrics)
        return LeftOut(row, f"{work_dir} {wrong}") if wrong else finished
    if ended := end_of(log, done):
        return _finished(row, work_dir, cfg, log, ended)
    return LeftOut(row, f"{work_dir} is unfinished: {done:,} of {length:,} iterations")


def _last_log(work_dir: Path) -> Path | None:
    """Of the last training, also of one that was stopped before it had logged a loss."""
    log = training_log(work_dir)
    stopped = [path.parent for path in work_dir.glob("*/not_finite_iter_*")]
    logs = [folder / "vis_data" / "scalars.json" for folder in stopped]
    return max([*logs, *([log] if log else [])], default=None)


def _text(log: Path) -> str:
    """What MMEngine wrote in words beside."""
    texts = sorted(log.parents[1].glob("*.log"))
    return "\n".join(path.read_text(errors="replace") for path in texts)


def seed_in_log(work_dir: Path) -> int | None:
    """The seed of the last training, which may be chance's; None where the log does not say."""
    log = _last_log(work_dir)
    found = SEED.search(_text(log)) if log else None
    return int(found.group(1)) if found else None


def _finished(row: str, work_dir: Path, cfg: Config, log: Path, ended: str = "") -> Finished:
    return Finished(
        row=row,
        seed=_number(work_dir, cfg),
        iterations=cfg.train_cfg.max_iters,
        data=f"{evaluation_data(cfg)}, trained on {evaluation_data(cfg, 'train')}",
        ended=ended,
        metrics={} if ended else last_metrics(log),
        seconds=0.0,
        losses=curve(log),
    )


def _number(work_dir: Path, cfg: Config) -> int:
    """The seed of the config; where it left that to chance, the number of the folder."""
    chosen = cfg.get("randomness", {}).get("seed")
    named = NUMBER.search(work_dir.name)
    return chosen if chosen is not None else int(named.group(1)) if named else 0


def end_of(log: Path, done: int) -> str:
    """How a training was stopped by what was not finite; empty if it went on, or was not.

    Args:
        log: of the training.
        done: iterations that it logged. A guard that leaves batches out reports them, and goes on.
    """
    reports = [REPORT.match(path.name) for path in log.parents[1].glob("not_finite_iter_*")]
    last = max((int(report.group(1)) for report in reports if report), default=0)
    return f"iteration {last} was not finite" if last and last >= done else ""
