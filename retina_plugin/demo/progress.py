"""Runs a command of MMEngine's and shows, from its log, how far it is."""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..engine.lifetime import as_starter
from ..errors import UserError
from .budget import clock, in_minutes

# MMEngine's log line of a training or test iteration: "Iter(train) [ 10/1300] ... eta: 0:03:10".
ITERATION = re.compile(r"\((train|test)\) *\[ *(\d+)/(\d+)\].*?eta: ([\d:]+)")
PLAN = re.compile(r"INFO - (minutes=.*)")  # what a training with minutes chose
EACH = 0.05  # of the work is a line where there is no terminal


def follow(
    console: Console,
    title: str,
    command: list[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    ends: float | None = None,
) -> None:
    """Run a command, keep its output in `log`, and show how far it is and how long it takes still.

    Args:
        console: a terminal shows a bar, anything else a line now and then.
        title: of what runs.
        command: with its arguments.
        log: file.
        environment: variables that are set where they are not.
        ends: when it will end, by `clock`; None for what its log says.

    Raises:
        UserError: the command failed.
    """
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress, open(log, "w") as file:
        task = progress.add_task(f"{title}: starting", total=1)

        def show(share: float, words: str) -> None:
            progress.update(task, completed=share, description=f"{title}: {words}")

        def say(words: str) -> None:
            console.print(f"{title}: {words}", markup=False, highlight=False, soft_wrap=True)

        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**(environment or {}), **os.environ, **as_starter()},
        ) as process:
            lines = _copied(process.stdout or (), file)
            watch(lines, show if console.is_terminal else now_and_then(say), say, ends)
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


def now_and_then(say: Callable[[str], None]) -> Callable[[float, str], None]:
    """Of words about a share that is done, say those after each `EACH` of it."""
    shown = -1.0

    def show(share: float, words: str) -> None:
        nonlocal shown
        if share >= shown + EACH or share == 1:
            shown = share
            say(words)

    return show


def watch(
    lines: Iterable[str],
    show: Callable[[float, str], None],
    say: Callable[[str], None],
    ends: float | None = None,
) -> None:
    """Tell the share done and what is left, from the lines of MMEngine's log.

    Args:
        lines: of the log.
        show: takes a share and words.
        say: takes what a training with minutes chose.
        ends: as in `follow`.
    """
    for line in lines:
        if found := PLAN.search(line):
            say(found[1])
        if found := ITERATION.search(line):
            phase, step, steps, left = found.groups()
            share = int(step) / int(steps)
            left = left if ends is None else in_minutes(ends - clock())
            what = f"iteration {step} of {steps}" if phase == "train" else "validation scenes"
            show(share, f"{what}, {share:.0%}, {left} left")


def last_error(log: Path) -> str:
    """What went wrong, from a log: our own sentence, else its last error, else its last line."""
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
    sentences = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    errors = [line for line in lines if "rror" in line]
    return (sentences or errors or lines or ["it ended without a word"])[-1].rstrip(".")
