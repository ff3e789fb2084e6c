"""A controlled experiment: rows of the miniature trained again with something changed."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...engine.border import exit_code
from ...errors import UserError
from ..shown_tables import AP, Page, Shown
from .claims import CLAIMS, UNKNOWN, Sample, Samples, mean_and_spread, points, standard_error
from .miniature import FOLDER
from .plan import groups_of, rows_in
from .results import Finished
from .tables import ap_of, by_row, deliver, read_alike

INTRO = (
    "Trainings of the miniature, before and after one thing was changed for all of them. Rows have "
    "the names of their configs, in which 0p5 is 0.5."
)


def experiment(**arguments: Any) -> int:
    """Shows; takes the arguments of `tools/reproduce.py experiment` and gives the exit code."""
    return exit_code(partial(_experiment, SimpleNamespace(**arguments)))


def _experiment(arguments: SimpleNamespace) -> None:
    shown = before_and_after(arguments.configs, arguments.before, arguments.after)
    deliver(Page("RetinaNet, one thing changed", shown, f"{INTRO} {AP}"), arguments)


def before_and_after(configs: Path, before: Path, after: Path) -> list[Shown]:
    """The rows of an experiment with AP of each seed, and the claims that both folders can judge.

    Args:
        configs: folder of all configs.
        before: results of `tools/reproduce.py mini`.
        after: the same with other `--cfg-options` or `--iterations`.

    Raises:
        UserError: a folder without runs, other data, or nothing that differs.
    """
    groups = groups_of(rows_in(configs / FOLDER))
    first, second = (_runs(folder, groups) for folder in (before, after))
    change = changed(first[0], second[0], before, after)
    then, now = by_row(first, groups), by_row(second, groups)
    rows = list(dict.fromkeys(each.row for each in second))
    claims = _claims_table(_samples(then, now), _samples(now, then))
    return [_rows_table(f"Changed: {change}", rows, then, now), *([claims] if claims.rows else [])]


def _runs(folder: Path, groups: list[list[str]]) -> list[Finished]:
    found = read_alike(folder, groups)
    if not found:
        raise UserError(f"{folder} holds no runs of tools/reproduce.py mini.")
    return found


def changed(first: Finished, second: Finished, before: Path, after: Path) -> str:
    """What the runs of two folders differ in, in words.

    Raises:
        UserError: they are of different data, or do not differ.
    """
    if first.data != second.data:
        raise UserError(
            f"{before} is of {first.data}, {after} of {second.data}: an experiment has other "
            "--cfg-options or --iterations on the same data."
        )
    said = []
    if first.iterations != second.iterations:
        said.append(f"{second.iterations} iterations instead of {first.iterations}")
    said += sorted(set(second.options) - set(first.options))
    said += [f"without {option}" for option in sorted(set(first.options) - set(second.options))]
    if not said:
        raise UserError(f"{before} and {after} have equal iterations and options: what changed?")
    return ", ".join(said)


def _samples(runs: dict[str, list[Finished]], others: dict[str, list[Finished]]) -> Samples:
    """AP of the rows that both folders have."""
    return {row: ap_of(row, of) for row, of in runs.items() if row in others}


def _rows_table(
    title: str,
    rows: list[str],
    then: dict[str, list[Finished]],
    now: dict[str, list[Finished]],
) -> Shown:
    columns = "row", "before: AP of each seed", "mean", "after: AP of each seed", "mean", "change"
    cells = []
    for row in rows:
        one, other = (ap_of(row, runs[row]) if row in runs else None for runs in (then, now))
        cells.append((row, *_seeds(one), *_seeds(other), _difference(one, other)))
    note = (
        "Where a row has several seeds, ± after a mean is their standard deviation, after a change "
        "its standard error. A run that diverged counts as 0."
    )
    return Shown(title, columns, cells, note)


def _seeds(sample: Sample | None) -> tuple[str, str]:
    if sample is None:
        return "not run", ""
    return ", ".join(f"{100 * value:.1f}" for value in sample.values), mean_and_spread(sample)


def _difference(one: Sample | None, other: Sample | None) -> str:
    if one is None or other is None:
        return ""
    return points(other.mean - one.mean, standard_error(one, other))


def _claims_table(then: Samples, now: Samples) -> Shown:
    cells = []
    for claim in CLAIMS:
        (verdict, measured), (new_verdict, new_measured) = claim.judge(then), claim.judge(now)
        if UNKNOWN not in (verdict, new_verdict):
            cells.append((claim.text, measured, verdict, new_measured, new_verdict))
    columns = "claim", "before", "verdict", "after", "verdict"
    note = (
        "Judged by the rows that were trained both before and after the change; with one seed each "
        "there is no verdict, as the noise is not known."
    )
    return Shown("The claims that these rows can judge", columns, cells, note)
