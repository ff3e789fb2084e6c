"""What a training left of its losses and metrics."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ..errors import UserError

METRICS = {
    "AP": "coco/bbox_mAP",
    "AP50": "coco/bbox_mAP_50",
    "AP75": "coco/bbox_mAP_75",
    "APS": "coco/bbox_mAP_s",
    "APM": "coco/bbox_mAP_m",
    "APL": "coco/bbox_mAP_l",
}


def last_metrics(work_dir: Path, since: float = 0) -> dict[str, float]:
    """COCO's numbers of the last evaluation in a work_dir; -1 where there are no such objects.

    Args:
        work_dir: of trainings, or the log of one.
        since: seconds since the epoch; logs that were not written to after it are of others.

    Raises:
        UserError: there is no evaluation, or a line of the log is torn.
    """
    found = [line for line in _lines(work_dir, since) if METRICS["AP"] in line]
    if not found:
        raise UserError(f"{work_dir}: the training ended without an evaluation by COCO's metric.")
    return coco_metrics(found[-1])


def progress(work_dir: Path) -> tuple[int, int | None]:
    """The last iteration in the log, and the last one before an evaluation, None without any."""
    last, evaluated = 0, None
    for line in _lines(work_dir):
        if METRICS["AP"] in line:
            evaluated = last
        elif "loss" in line:
            last = line["step"]
    return last, evaluated


def coco_metrics(logged: Mapping[str, float]) -> dict[str, float]:
    """COCO's numbers by their short names."""
    return {name: logged[key] for name, key in METRICS.items() if key in logged}


def seconds_of_iterations(work_dir: Path) -> list[float]:
    """Seconds between two lines of the log, by the mean iteration that each line tells."""
    lines = [line for line in _lines(work_dir) if "time" in line and "loss" in line]
    steps = [0, *(line["step"] for line in lines)]
    return [
        line["time"] * (step - before)
        for line, before, step in zip(lines, steps, steps[1:], strict=False)
    ]


def curve(work_dir: Path, since: float = 0) -> list[tuple[int, float, float]]:
    """Iteration, classification and box loss of every line of the log; none if there is no log.

    A line whose mean has a batch in it that the guard left out is not finite, and no point of it.
    """
    points = [
        (line["step"], line["loss_cls"], line["loss_bbox"])
        for line in _lines(work_dir, since)
        if {"step", "loss_cls", "loss_bbox"} <= line.keys()
    ]
    return [point for point in points if all(map(math.isfinite, point))]


def training_log(work_dir: Path, since: float = 0) -> Path | None:
    """`scalars.json` of the last training; a test in the same work dir leaves another folder."""
    found = sorted(work_dir.glob("*/vis_data/scalars.json"))
    own = [path for path in reversed(found) if path.stat().st_mtime >= since]
    return next((path for path in own if '"loss' in path.read_text(errors="replace")), None)


def _lines(work_dir: Path, since: float = 0) -> list[dict]:
    log = work_dir if work_dir.is_file() else training_log(work_dir, since)
    return _parsed(log) if log else []


def _parsed(log: Path) -> list[dict]:
    """Its lines; one that a killed process left half at the end is no line.

    Raises:
        UserError: another line is torn.
    """
    texts = log.read_bytes().decode(errors="replace").split("\n")
    found = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text) if text.strip() else {}
        except ValueError:
            line = {} if number == len(texts) else None
        if not isinstance(line, dict):
            raise UserError(f"{log}, line {number} is no JSON object: the log is damaged.")
        found.append(line)
    return found
