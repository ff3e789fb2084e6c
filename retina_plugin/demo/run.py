"""The steps of the demo, one after the other."""

import os
import sys
from pathlib import Path

from rich.console import Console

from ..data.scene_files import make_scenes
from ..engine.options import quoted
from ..engine.resume import find_latest_checkpoint
from ..errors import UserError
from .budget import MINUTES, Budget, clock, in_minutes, training_minutes
from .progress import follow, one_core_left
from .results import show_results

CONFIG = "retinanet_demo.py"
# The evaluation of its own that follows is enough.
WITHOUT_VALIDATION = [f"val_{part}=None" for part in ("dataloader", "cfg", "evaluator")]
# Threads that wait give their core away, so that more of them can be tried than cores are free.
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}


def run_demo(
    folder: Path,
    options: list[str],
    minutes: float = MINUTES,
    began: float | None = None,
    started: float | None = None,
) -> dict[str, float]:
    """Make scenes, train, evaluate, print the COCO table, leave pictures; returns the metrics.

    Args:
        folder: of everything that is written: `data/`, `train/`, `test/`, `detections.png`.
        options: KEY=VALUE for the config.
        minutes: for all of it.
        began: when they began, by `time.time`; when this process was started if it is not known.
        started: when this process was started; now if it is not known.

    Raises:
        UserError: training or evaluation failed; it names the log. Or `minutes` is no number above
            0, or the folder cannot be written.
    """
    console = Console()
    started = clock() if started is None else started
    starting = clock() - started
    budget = Budget(minutes, started if began is None else began)
    data, train, test = (folder / name for name in ("data", "train", "test"))
    try:
        with console.status("1/3 making scenes of handwritten digits over photographs"):
            make_scenes(data)
    except OSError as error:
        raise UserError(
            f"The demo cannot write its folder {folder} ({error.strerror or error}): start it "
            "where you may write, or name another folder with --out."
        ) from error
    mim = [sys.executable, "-m", "mim"]
    options = ["--cfg-options", f"data_root={quoted(f'{data}/')}", *options]

    given = training_minutes(console, budget, starting)
    ends = clock() + 60 * given
    start = [*mim, "train", "retina_plugin", CONFIG, "--work-dir", str(train)]
    start += [*options, f"minutes={given:g}", *WITHOUT_VALIDATION]
    follow(console, "2/3 training", start, folder / "train.log", PATIENT, ends)

    checkpoint = find_latest_checkpoint(str(train))
    start = [*mim, "test", "retina_plugin", CONFIG, "--checkpoint", str(checkpoint)]
    start += ["--work-dir", str(test), "--show-dir", "drawn", *options]
    cores = one_core_left(os.cpu_count() or 1)
    follow(console, "3/3 evaluating", start, folder / "test.log", cores)
    metrics = show_results(console, test, folder / "detections.png")
    console.print(f"It took {in_minutes(budget.used)} of {in_minutes(60 * minutes)} minutes.")
    return metrics
