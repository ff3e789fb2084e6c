"""Trainings in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..engine.lifetime import as_starter
from ..errors import UserError

NOT_FINITE = "was not finite"


def train_apart(
    script: Path,
    config: Path,
    work_dir: Path,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Train with tools/train.py; its output goes into `log.txt` of the work dir.

    Args:
        script: tools/train.py.
        config: file.
        work_dir: is made.
        options: KEY=VALUE of --cfg-options.
        environment: variables to set.

    Returns:
        Empty, or the sentence with which a training ended whose loss was not finite, which is a
        result too.

    Raises:
        UserError: it failed otherwise.
    """
    code, log = run_logged(script, config, work_dir, options, environment)
    ended = _last_error(log) if code else ""
    if code and NOT_FINITE not in ended:
        reason = ended or f"it ended with {code}."
        raise UserError(f"the training of {work_dir.name} failed: {reason} Its log is {log}.")
    return ended


def run_logged(
    script: Path,
    config: Path,
    work_dir: Path,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[int, Path]:
    """Train as `train_apart` does, and give the exit code and the log.

    The training ends with this process, even where this one is killed.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir / "log.txt"
    command = [sys.executable, str(script), str(config), "--work-dir", str(work_dir)]
    command += ["--cfg-options", *options] if options else []
    own = {**os.environ, **(environment or {}), **as_starter()}
    with open(log, "w") as file:
        done = subprocess.run(command, stdout=file, stderr=file, check=False, env=own)
    return done.returncode, log


def _last_error(log: Path) -> str:
    """The sentence that a run ended with."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
    return lines[-1].removeprefix("error: ") if lines else ""
