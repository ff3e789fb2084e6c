"""Trains the paper's ablations in miniature, one after the other."""

import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from ...engine.border import exit_code, in_one_sentence
from ...engine.options import parsed, quoted, refuse
from ...errors import UserError
from ..arguments import check_folder, check_positive
from ..dataset_name import data_of
from ..scalars import curve, last_metrics
from ..trainings import train_apart
from .claims import FOCAL
from .plan import Run, digests_of, planned, rows_in
from .results import Finished, check_alike, check_rows, read, write, wrong_metrics

FOLDER = Path("ablations") / "mini"
SNAPSHOTS = 6
LOGGED = 25  # iterations from one line of the log to the next
MOST_SEEDS = 1000


def miniature(**arguments: Any) -> int:
    """Trains; takes the arguments of `tools/reproduce.py mini` and gives the exit code."""
    return exit_code(partial(_miniature, SimpleNamespace(**arguments)))


def _miniature(arguments: SimpleNamespace) -> None:
    check_arguments(arguments)
    configs = rows_in(arguments.configs / FOLDER)
    digests = digests_of(configs)
    runs = planned(digests, arguments.rows, arguments.seeds)
    data = data_of(arguments.data_root)
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = read(arguments.out)
    check_alike(found, arguments.iterations, data, arguments.cfg_options, arguments.out)
    check_rows(found, digests, arguments.out)
    there = {(each.row, each.seed) for each in found}
    waiting = [run for run in runs if there.isdisjoint((row, run.seed) for row in run.rows)]
    console = Console()
    done = len(runs) - len(waiting)
    console.print(f"{done} of {len(runs)} runs are done, in {arguments.out}.", markup=False)
    train_all(
        waiting, lambda run: train(run, configs[run.row], data, arguments), arguments, console
    )


def check_arguments(arguments: SimpleNamespace) -> None:
    """Raise UserError for numbers that make no run, and options that are set by others."""
    check_positive(arguments, "seeds", "iterations", "jobs")
    check_folder(arguments.out, "--out")
    if arguments.seeds and arguments.seeds > MOST_SEEDS:
        raise UserError(f"--seeds expects {MOST_SEEDS} at most, but got {arguments.seeds}.")
    own = _options(Run("", 0), SimpleNamespace(**{**vars(arguments), "cfg_options": []}))
    why = "use --data-root, --seeds or --iterations; what is logged and saved is fixed"
    refuse(arguments.cfg_options, parsed(own), why)


def train_all(
    runs: list[Run],
    trained: Callable[[Run], Finished],
    arguments: SimpleNamespace,
    console: Console,
) -> None:
    """Train, with a bar and the time that is left; each result is kept as soon as it is there.

    After a failure no other run is begun; those that run are waited for.
    """
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    failed = Event()
    with ThreadPoolExecutor(arguments.jobs) as pool, Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(runs))
        waiting = [pool.submit(_kept, run, trained, arguments.out, failed) for run in runs]
        try:
            for done in as_completed(waiting):
                bar.advance(task, _show(done, console))
        finally:
            failed.set()
            pool.shutdown(cancel_futures=True)
    for done in waiting:
        done.result()


def _kept(
    run: Run, trained: Callable[[Run], Finished], out: Path, failed: Event
) -> Finished | None:
    """Train and keep the result, unless another run has failed."""
    if failed.is_set():
        return None
    try:
        finished = trained(run)
        write(finished, out)
    except BaseException:
        failed.set()
        raise
    return finished


def _show(done: Future[Finished | None], console: Console) -> int:
    """Say how a run ended; gives how many more are done."""
    if error := done.exception():
        said = in_one_sentence(error) or type(error).__name__
        console.print(f"No other run is begun, as one has failed: {said}", markup=False)
        return 0
    if finished := done.result():
        console.print(f"{finished.row}, seed {finished.seed}: {_said(finished)}", markup=False)
    return int(finished is not None)


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
    began, started = time.time(), time.monotonic()
    ended = train_apart(arguments.train_script, config, work_dir, _options(run, arguments), threads)
    return Finished(
        row=run.row,
        seed=run.seed,
        iterations=arguments.iterations,
        data=data,
        ended=ended,
        metrics={} if ended else measured(work_dir, began),
        seconds=round(time.monotonic() - started, 1),
        losses=curve(work_dir, began),
        options=list(arguments.cfg_options),
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        settings=run.settings,
    )


def measured(work_dir: Path, since: float) -> dict[str, float]:
    """COCO's numbers of a training.

    Raises:
        UserError: it was not evaluated, with other metrics, or on data without objects.
    """
    found = last_metrics(work_dir, since)
    if found["AP"] < 0:
        raise UserError(f"{work_dir}: there is no AP, as the validation data hold no objects.")
    if wrong := wrong_metrics(found):
        raise UserError(f"{work_dir}: its evaluation {wrong}.")
    return found


def _options(run: Run, arguments: SimpleNamespace) -> list[str]:
    own = [f"data_root={quoted(f'{arguments.data_root}/')}", f"randomness.seed={run.seed}"]
    own += schedule(arguments.iterations) + snapshots(run, arguments.iterations)
    return own + arguments.cfg_options


def schedule(iterations: int) -> list[str]:
    """Options that stretch the schedule: a sixth of it warms up, the rate falls at 2/3 and 8/9."""
    logged = min(LOGGED, iterations)
    return [
        f"train_cfg.max_iters={iterations}",
        f"train_cfg.val_interval={iterations}",
        f"default_hooks.logger.interval={logged}",
        f"log_processor.window_size={logged}",
        f"param_scheduler.0.end={max(iterations // 6, 1)}",
        f"param_scheduler.1.milestones=[{iterations * 2 // 3},{iterations * 8 // 9}]",
    ]


def snapshots(run: Run, iterations: int) -> list[str]:
    """Options that keep weights of the focal loss's first run, for the figures, and no others."""
    if run.seed or FOCAL not in run.rows:
        return ["default_hooks.checkpoint=None"]
    return [
        f"default_hooks.checkpoint.interval={max(iterations // SNAPSHOTS, 1)}",
        "default_hooks.checkpoint.save_optimizer=False",
    ]
