"""The small file of figures that each miniature training leaves."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...engine.safe_files import UNFINISHED, write_whole
from ...errors import UserError
from ..kept_files import content_of, instance

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
    settings: str = ""  # digest of the row's config without them; "" in the oldest files

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
    paths = [path for path in folder.glob("*_seed*.json") if not path.name.startswith(UNFINISHED)]
    found = [_read(path) for path in sorted(paths)]
    return sorted(found, key=lambda run: (run.row, run.seed))  # by name seed 10 is before seed 2


def _read(path: Path) -> Finished:
    what = "figures of a run"
    try:
        found = instance(Finished, content_of(path, what), path, what)
    except UserError as error:
        raise UserError(f"{error} Remove the file, and the run is made again.") from error
    if wrong := _wrong(found, path):
        raise UserError(f"{path} {wrong}: remove it, and its run is made again.")
    return found


def _wrong(found: Finished, path: Path) -> str:
    """What is wrong with a run's figures; empty if nothing is."""
    if found.file != path.name:
        return f"holds the run of {found.file}, which would count twice or for another row"
    if found.seed < 0 or found.iterations <= 0:
        return f"has seed {found.seed} and {found.iterations} iterations"
    if found.ended:
        return "has metrics, and yet it was stopped" if found.metrics else ""
    return wrong_metrics(found.metrics)


def wrong_metrics(metrics: dict[str, float]) -> str:
    """What is wrong with COCO's numbers, in words; empty if nothing is.

    -1 stands for no objects, which only a size may lack.
    """
    missing = [name for name in METRICS if name not in metrics]
    if missing:
        return f"lacks {' and '.join(missing)}, which COCO's metric gives unless it is told not to"
    for name, value in metrics.items():
        if not (0 <= value <= 1 or (value == -1 and name not in METRICS)):
            return f"has {name} {value}, not one from 0 to 1"
    return ""


def read_alike(folder: Path, digests: dict[str, str]) -> list[Finished]:
    """The miniature's runs in a folder.

    Raises:
        UserError: they differ in data, schedule or options, are of no row or there twice, or their
            row has other settings now.
    """
    found = read(folder)
    for each in found:
        check_alike([each], found[0].iterations, found[0].data, found[0].options, folder)
    check_rows(found, digests, folder)
    return found


def check_rows(found: list[Finished], digests: dict[str, str], folder: Path) -> None:
    """Raise UserError for a run of no row, of other settings, or there under two names of its row.

    Args:
        found: in the folder.
        digests: of each row's config.
        folder: that is named.
    """
    seen: dict[tuple[str, int], str] = {}
    for each in found:
        file, own = folder / each.file, digests.get(each.row)
        if own is None:
            raise UserError(f"{file}: there is no row {each.row}; remove the file.")
        if each.settings not in ("", own):
            raise UserError(
                f"{file} was trained with other settings than its row's config has now: runs that "
                "differ are not compared; use another folder."
            )
        run = own, each.seed
        if run in seen:
            raise UserError(f"{file} is the same training as {seen[run]}: remove one of them.")
        seen[run] = each.file


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
