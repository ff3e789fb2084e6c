"""A row of the comparison, wherever its numbers come from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...engine.safe_files import write_whole
from ...errors import UserError
from ..kept_files import content_of, instance

SOURCES = MEASURED, METAFILE, PUBLISHED = "measured", "metafile", "published"


@dataclass(frozen=True)
class Row:
    """A model's numbers of one source, on one dataset."""

    model: str
    source: str  # MEASURED here, METAFILE of the project that trained it, or PUBLISHED in a paper
    data: str
    metrics: dict[str, float] = field(default_factory=dict)  # AP, AP50, ... from 0 to 100
    milliseconds: float | None = None  # of an image
    timed_on: str = ""
    parameters: int | None = None
    multiply_adds: int | None = None
    peak_bytes: int | None = None
    note: str = ""

    @property
    def group(self) -> tuple[str, str]:
        """Rows of different groups are not compared: other source, or other data."""
        return self.source, self.data


def write_rows(rows: list[Row], file: Path) -> None:
    """Keep rows as JSON."""
    write_whole(file, (json.dumps([asdict(row) for row in rows], indent=1) + "\n").encode())


def read_rows(file: Path) -> list[Row]:
    """The rows of an earlier comparison.

    Raises:
        UserError: it is missing, or holds something else.
    """
    what = "comparison of tools/compare.py"
    content = content_of(file, what)
    if not isinstance(content, list):
        raise UserError(f"{file} holds no {what}: {content!r:.60} is no list.")
    rows = [instance(Row, each, file, what) for each in content]
    for row in rows:
        if wrong := _wrong(row):
            raise UserError(f"{file} holds no {what}: {row.model} has {wrong}.")
    return rows


def _wrong(row: Row) -> str:
    """What cannot be, in words; empty if nothing is wrong."""
    if row.source not in SOURCES:
        return f"source {row.source}, not one of {', '.join(SOURCES)}"
    if row.milliseconds is not None and row.milliseconds <= 0:
        return f"{row.milliseconds:g} ms an image"
    return wrong_percent(row.metrics)


def wrong_percent(metrics: dict[str, float]) -> str:
    """Which of COCO's numbers is none in percent; -1 stands for no such objects."""
    wrong = (f"{name} {value:g}" for name, value in metrics.items() if not valid(value))
    return next(wrong, "")


def valid(value: float) -> bool:
    """Whether it may be a number of COCO's in percent."""
    return 0 <= value <= 100 or value == -1
