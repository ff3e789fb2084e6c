"""A row of the comparison, wherever its numbers come from."""

from dataclasses import dataclass, field

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
