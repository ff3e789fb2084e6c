"""Runs a command of MMEngine's and shows, from its log, how far it is."""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..engine.lifetime import as_starter
from ..errors import UserError

# MMEngine's log line of a training or test iteration: "Epoch(train) [2][ 10/300] ... eta: 0:03:10".
ITERATION = re.compile(r"\((train|val|test)\) *(?:\[(\d+)\])?\[ *(\d+)/(\d+)\].*?eta: ([\d:]+)")
EPOCHS = re.compile(r"max_epochs=(\d+)")


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
                console.print(f"{title}: {words}", markup=False)

        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**one_core_left(os.cpu_count() or 1), **os.environ, **as_starter()},
        ) as process:
            watch(_copied(process.stdout or (), file), show)
        if process.returncode != 0:
            raise UserError(f"{title} failed: {last_error(log)} (all of its output is in {log}).")
        show(1, "done")


def one_core_left(cores: int) -> dict[str, str]:
    """Environment in which torch leaves a core to the loader and to other programs.

    Its threads work in step and wait busily: on two cores of which another program used one,
    two threads took two to ten times as long as one.
    """
    return {"OMP_NUM_THREADS": str(max(1, cores - 1))}


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
    """What went wrong, from a log: our own sentence, else its last error, else its last line."""
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
    sentences = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    errors = [line for line in lines if "rror" in line]
    return (sentences or errors or lines or ["it ended without a word"])[-1].rstrip(".")
