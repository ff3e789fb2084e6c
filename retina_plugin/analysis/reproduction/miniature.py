"""Trains the paper's ablations in miniature, one after the other."""

import os
import platform
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from ...engine.border import exit_code
from ..arguments import check_positive
from ..dataset_name import data_of
from ..scalars import curve, last_metrics
from ..trainings import train_apart
from .claims import FOCAL
from .plan import Run, planned, rows_in
from .results import Finished, check_alike, read, write

FOLDER = Path("ablations") / "mini"
SNAPSHOTS = 6


def miniature(**arguments: Any) -> int:
    """Trains; takes the arguments of `tools/reproduce.py mini` and gives the exit code."""
    return exit_code(partial(_miniature, SimpleNamespace(**arguments)))


def _miniature(arguments: SimpleNamespace) -> None:
    check_positive(arguments, "seeds", "iterations", "jobs")
    configs = rows_in(arguments.configs / FOLDER)
    runs = planned(configs, arguments.rows, arguments.seeds)
    data = data_of(arguments.data_root)
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = read(arguments.out)
    check_alike(found, arguments.iterations, data, arguments.cfg_options, arguments.out)
    there = {(each.row, each.seed) for each in found}
    waiting = [run for run in runs if (run.row, run.seed) not in there]
    console = Console()
    console.print(f"{len(runs) - len(waiting)} of {len(runs)} runs are done, in {arguments.out}.")
    for finished in _trained(waiting, configs, data, arguments, console):
        write(finished, arguments.out)
        console.print(f"{finished.row}, seed {finished.seed}: {_said(finished)}")


def _trained(
    runs: list[Run],
    configs: dict[str, Path],
    data: str,
    arguments: SimpleNamespace,
    console: Console,
) -> Iterator[Finished]:
    """Each run as it is done, with a bar and the time that is left."""
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    with ThreadPoolExecutor(arguments.jobs) as pool, Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(runs))
        waiting = [pool.submit(train, run, configs[run.row], data, arguments) for run in runs]
        try:
            for done in as_completed(waiting):
                yield done.result()
                bar.advance(task)
        finally:
            pool.shutdown(cancel_futures=True)


def _said(finished: Finished) -> str:
    if finished.ended:
        return finished.ended
    numbers = ", ".join(f"{name} {finished.metrics[name]:.3f}" for name in ("AP", "AP50", "AP75"))
    return f"{numbers} in {finished.seconds:.0f} s"


def train(run: Run, config: Path, data: str, arguments: SimpleNamespace) -> Finished:
    """Train and evaluate in a process of its own; a loss that is not finite is a result.

    Raises:
        UserError: it failed otherwise.
    """
    # An experiment must not leave its weights among those of another.
    work_dirs = arguments.work_dirs or Path("work_dirs") / arguments.out.resolve().name
    work_dir = work_dirs / run.name
    threads = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // arguments.jobs, 1))}
    started = time.monotonic()
    ended = train_apart(arguments.train_script, config, work_dir, _options(run, arguments), threads)
    return Finished(
        row=run.row,
        seed=run.seed,
        iterations=arguments.iterations,
        data=data,
        ended=ended,
        metrics={} if ended else last_metrics(work_dir),
        seconds=round(time.monotonic() - started, 1),
        losses=curve(work_dir),
        options=list(arguments.cfg_options),
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
    )


def _options(run: Run, arguments: SimpleNamespace) -> list[str]:
    own = [f"data_root={arguments.data_root}/", f"randomness.seed={run.seed}"]
    own += schedule(arguments.iterations) + snapshots(run, arguments.iterations)
    return own + arguments.cfg_options


def schedule(iterations: int) -> list[str]:
    """Options that stretch the schedule; the rate falls at 2/3 and 8/9, as in the paper's."""
    return [
        f"train_cfg.max_iters={iterations}",
        f"train_cfg.val_interval={iterations}",
        f"param_scheduler.1.milestones=[{iterations * 2 // 3},{iterations * 8 // 9}]",
    ]


def snapshots(run: Run, iterations: int) -> list[str]:
    """Options that keep weights of the focal loss's first run, for the figures, and no others."""
    if run.seed or FOCAL not in (run.row, *run.same):
        return ["default_hooks.checkpoint=None"]
    return [
        f"default_hooks.checkpoint.interval={max(iterations // SNAPSHOTS, 1)}",
        "default_hooks.checkpoint.save_optimizer=False",
    ]
