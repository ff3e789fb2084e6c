"""The small file of figures that each miniature training leaves."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...engine.safe_files import write_whole
from ...errors import UserError

METRICS = ("AP", "AP50", "AP75")  # that tables show


@dataclass(frozen=True)
class Finished:
    """What is kept of a run."""

    row: str
    seed: int
    iterations: int
    data: str  # name of the folder and digest of its annotations
    ended: str  # "" if it was trained to the end, else the sentence that it ended with
    metrics: dict[str, float]  # COCO's, empty if it was stopped
    seconds: float
    losses: list[tuple[int, float, float]] = field(default_factory=list)  # iteration, cls, bbox
    machine: str = ""
    options: list[str] = field(default_factory=list)  # of --cfg-options: what an experiment changes

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.row}_seed{self.seed}.json"


def write(finished: Finished, folder: Path) -> None:
    """Keep the figures of a run."""
    write_whole(folder / finished.file, (json.dumps(asdict(finished)) + "\n").encode())


def read(folder: Path) -> list[Finished]:
    """All runs in a folder, by row and seed.

    Raises:
        UserError: a file of it holds something else, or a number that is none.
    """
    found = [_read(path) for path in sorted(folder.glob("*_seed*.json"))]
    return sorted(found, key=lambda run: (run.row, run.seed))  # by name seed 10 is before seed 2


def _read(path: Path) -> Finished:
    try:
        found = Finished(**json.loads(path.read_text()))
        wrong = _wrong(found, path)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path} holds no figures of a run: {error}.") from error
    if wrong:
        raise UserError(f"{path} {wrong}: remove it, and its run is made again.")
    return found


def _wrong(found: Finished, path: Path) -> str:
    """What is wrong with a run's figures; empty if nothing is."""
    if found.file != path.name:
        return f"holds the run of {found.file}, which would count twice or for another row"
    if not found.ended and not set(METRICS) <= found.metrics.keys():
        return f"lacks {' or '.join(METRICS)}"
    for name, value in found.metrics.items():
        if not math.isfinite(value):
            return f"has {name} {value}"
    return ""


def check_alike(
    found: list[Finished], iterations: int, data: str, options: list[str], folder: Path
) -> None:
    """Raise UserError unless all runs are of this schedule, these data and these options."""
    wanted = iterations, data, sorted(options)
    for each in found:
        own = each.iterations, each.data, sorted(each.options)
        if own != wanted:
            raise UserError(
                f"{folder / each.file} is of {_said(*own)}, not of {_said(*wanted)}: runs that "
                "differ are not compared; use another folder."
            )


def _said(iterations: int, data: str, options: list[str]) -> str:
    return f"{iterations} iterations on {data}" + (f" with {' '.join(options)}" if options else "")
