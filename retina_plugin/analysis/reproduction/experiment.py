"""A controlled experiment: rows of the miniature trained again with something changed."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...engine.border import exit_code
from ...errors import UserError
from ..shown_tables import AP, Page, Shown
from .claims import CLAIMS, UNKNOWN
from .miniature import FOLDER
from .plan import digests_of, groups_of, rows_in
from .reproduced import ap_of, by_row
from .results import Finished, read_alike
from .samples import Sample, Samples, difference, mean_and_spread, noise_of
from .tables import deliver, noise_said

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
    digests = digests_of(rows_in(configs / FOLDER))
    groups = groups_of(digests)
    first, second = (_runs(folder, digests) for folder in (before, after))
    change = changed(first[0], second[0], before, after)
    then, now = _samples(first, groups), _samples(second, groups)
    noise = noise_of(then.values(), now.values())
    rows = list(dict.fromkeys(each.row for each in second))
    claims = _claims_table(then, now, noise)
    shown = _rows_table(f"Changed: {change}", rows, then, now, noise)
    return [shown, *([claims] if claims.rows else [])]


def _runs(folder: Path, digests: dict[str, str]) -> list[Finished]:
    found = read_alike(folder, digests)
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


def _samples(found: list[Finished], groups: list[list[str]]) -> Samples:
    return {row: ap_of(row, of) for row, of in by_row(found, groups).items()}


def _rows_table(title: str, rows: list[str], then: Samples, now: Samples, noise: float) -> Shown:
    columns = "row", "before: AP of each seed", "mean", "after: AP of each seed", "mean", "change"
    cells = []
    for row in rows:
        one, other = then.get(row), now.get(row)
        change = difference(other, one, noise).words() if one and other else ""
        cells.append((row, *_seeds(one), *_seeds(other), change))
    note = (
        "± after a mean is the standard deviation over its seeds. A run that diverged counts as 0. "
        + noise_said(noise)
    )
    return Shown(title, columns, cells, note)


def _seeds(sample: Sample | None) -> tuple[str, str]:
    if sample is None:
        return "not run", ""
    return ", ".join(f"{100 * value:.1f}" for value in sample.values), mean_and_spread(sample)


def _claims_table(then: Samples, now: Samples, noise: float) -> Shown:
    """Of the rows that both folders have."""
    before, after = (
        {row: of[row] for row in of if row in then and row in now} for of in (then, now)
    )
    cells = []
    for claim in CLAIMS:
        verdict, measured = claim.judge(before, noise)
        new_verdict, new_measured = claim.judge(after, noise)
        if UNKNOWN not in (verdict, new_verdict):
            cells.append((claim.text, measured, verdict, new_measured, new_verdict))
    columns = "claim", "before", "verdict", "after", "verdict"
    note = "Judged by the rows that were trained both before and after the change."
    return Shown("The claims that these rows can judge", columns, cells, note)
