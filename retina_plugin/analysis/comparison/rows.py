"""A row of the comparison, wherever its numbers come from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...engine.safe_files import write_whole
from ...errors import UserError

MEASURED, METAFILE, PUBLISHED = "measured", "metafile", "published"


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
    try:
        return [Row(**row) for row in json.loads(file.read_text())]
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{file} is expected to be the comparison.json of tools/compare.py, but is not "
            f"({error})."
        ) from error
