"""The small file of figures that each miniature training leaves."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...engine.safe_files import write_whole
from ...errors import UserError


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
    """All runs in a folder.

    Raises:
        UserError: a file of it holds something else.
    """
    found = []
    for path in sorted(folder.glob("*_seed*.json")):
        try:
            found.append(Finished(**json.loads(path.read_text())))
        except (TypeError, ValueError) as error:
            raise UserError(f"{path} holds no figures of a run: {error}.") from error
    return found


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
