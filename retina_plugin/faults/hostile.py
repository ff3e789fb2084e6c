"""A kind of hostile file, and the place where it is tried."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Opening = Callable[[], object]


@dataclass(frozen=True)
class Scene:
    """A folder of a trial's own, which a web server shows at `url`."""

    folder: Path
    url: str

    @property
    def mark(self) -> Path:
        """What is there once code was executed."""
        return self.folder / "executed"


@dataclass(frozen=True)
class Hostile:
    """A kind of file: `prepare` writes one and gives who opens it, ours and stock.

    `reason` is what our sentence says; None where the file is read, but not what is evil in it.
    """

    name: str
    prepare: Callable[[Scene], tuple[Opening, Opening]]
    reason: str | None
