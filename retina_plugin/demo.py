"""The demo: make scenes, train and evaluate through mim, show what came out."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .data.scenes import make_scenes
from .errors import UserError

CONFIG = "retinanet_demo.py"
# MMEngine's log line of a training or test iteration: "Epoch(train) [2][ 10/300] ... eta: 0:03:10".
ITERATION = re.compile(r"\((train|val|test)\) *(?:\[(\d+)\])?\[ *(\d+)/(\d+)\].*?eta: ([\d:]+)")
EPOCHS = re.compile(r"max_epochs=(\d+)")
ROWS = {
    "AP": "bbox_mAP",
    "AP50": "bbox_mAP_50",
    "AP75": "bbox_mAP_75",
    "AP small": "bbox_mAP_s",
    "AP medium": "bbox_mAP_m",
    "AP large": "bbox_mAP_l",
}
SHOWN = 8  # drawn scenes on the sheet


def run_demo(folder: Path, options: list[str]) -> dict[str, float]:
    """Make scenes, train, evaluate, print the COCO table, leave pictures; returns the metrics.

    Args:
        folder: of everything that is written: `data/`, `train/`, `test/`, `detections.png`.
        options: KEY=VALUE for the config.

    Raises:
        UserError: training or evaluation failed; it names the log.
    """
    console = Console()
    data, train, test = (folder / name for name in ("data", "train", "test"))
    with console.status("1/3 making scenes of handwritten digits over photographs"):
        make_scenes(data)
    mim = str(Path(sys.executable).with_name("mim"))
    options = ["--cfg-options", f"data_root={data}/", *options]
    start = [mim, "train", "retina_plugin", CONFIG, "--work-dir", str(train)]
    follow(console, "2/3 training", [*start, *options], folder / "train.log")
    checkpoint = (train / "last_checkpoint").read_text()
    start = [mim, "test", "retina_plugin", CONFIG, "--checkpoint", checkpoint]
    start += ["--work-dir", str(test), "--show-dir", "drawn"]
    follow(console, "3/3 evaluating", [*start, *options], folder / "test.log")
    metrics = read_metrics(test)
    console.print(coco_table(metrics))
    drawn = sorted(test.rglob("drawn/*.jpg"))
    contact_sheet(drawn[:SHOWN], folder / "detections.png")
    console.print(
        f"Drawn detections: {folder}/detections.png, all {len(drawn)} in {drawn[0].parent}"
    )
    return metrics


def follow(console: Console, title: str, command: list[str], log: Path) -> None:
    """Run a command, keep its output in `log`, and show how far it is and how long it takes still.

    Raises:
        UserError: the command failed.
    """
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress, open(log, "w") as file:
        task = progress.add_task(f"{title}: starting", total=1)

        def show(share: float, words: str) -> None:
            progress.update(task, completed=share, description=f"{title}: {words}")
            if not console.is_terminal:
                console.print(f"{title}: {words}")

        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        watch(_copied(process.stdout or (), file), show)
        if process.wait() != 0:
            raise UserError(f"{title} failed: {last_error(log)} (all of its output is in {log}).")
        show(1, "done")


def _copied(lines: Iterable[str], file: TextIO) -> Iterator[str]:
    for line in lines:
        file.write(line)
        file.flush()
        yield line


def watch(lines: Iterable[str], show: Callable[[float, str], None]) -> None:
    """Tell `show` the share done and what is left, from the lines of MMEngine's log."""
    epochs = 1
    for line in lines:
        if found := EPOCHS.search(line):
            epochs = int(found[1])
        if found := ITERATION.search(line):
            phase, epoch, step, steps, left = found.groups()
            done = int(step) / int(steps)
            share = (int(epoch) - 1 + done) / epochs if phase == "train" else done
            what = f"epoch {epoch} of {epochs}" if phase == "train" else "validation scenes"
            show(share, f"{what}, {share:.0%}, {left} left")


def last_error(log: Path) -> str:
    """The last line of a log that says what went wrong."""
    lines = [line.strip() for line in log.read_text().splitlines() if "rror" in line]
    return lines[-1] if lines else "it ended without a word"


def read_metrics(work_dir: Path) -> dict[str, float]:
    """The numbers of the last evaluation that wrote into a work_dir."""
    files = sorted(path for path in work_dir.glob("*/*.json"))
    return json.loads(files[-1].read_text().splitlines()[-1])


def coco_table(metrics: dict[str, float]) -> Table:
    """The COCO numbers as a table."""
    table = Table("metric", "validation scenes", title="COCO evaluation")
    for name, key in ROWS.items():
        table.add_row(name, f"{metrics[f'coco/{key}']:.3f}")
    return table


def contact_sheet(pictures: list[Path], path: Path, columns: int = 2) -> None:
    """Write pictures of one size as rows of `columns`."""
    images = [np.asarray(cv2.imread(str(picture))) for picture in pictures]
    images += [np.zeros_like(images[0])] * (-len(images) % columns)
    rows = [np.hstack(images[i : i + columns]) for i in range(0, len(images), columns)]
    cv2.imwrite(str(path), np.vstack(rows))
