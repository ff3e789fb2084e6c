"""Every row of the torture table, ours and stock MMDetection's beside it."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from ..engine.border import exit_code
from ..errors import UserError
from .row import Outcome, Row
from .rows import ROWS

WIDTH = 100  # columns, so that a row stays a line where the output is piped
NOT_TRIED = "-"


@dataclass(frozen=True)
class Result:
    """What came of a row."""

    row: Row
    ours: Outcome
    stock: Outcome | None
    seconds: float


def torture(**arguments: object) -> int:
    """Runs the rows; takes the arguments of tools/torture.py and gives the exit code."""
    return exit_code(partial(_torture, SimpleNamespace(**arguments)))


def _torture(arguments: SimpleNamespace) -> None:
    rows = chosen(ROWS, arguments.rows, arguments.quick)
    console = Console(width=WIDTH)
    results: list[Result] = []
    for row in rows:
        with console.status(f"{row.id}: {row.title}"), without_log():
            results.append(tried(row, arguments.quick, arguments.trials))
        say(console, results[-1])
        save(results, arguments.out)  # what is there, if this ends early
    console.print(table_of(results))
    console.print(f"figures: {arguments.out}")
    failed = [result.row.id for result in results if not result.ours.passed]
    if failed:
        raise UserError(f"{', '.join(failed)} of {len(results)} rows failed; see the lines above.")


@contextmanager
def without_log() -> Iterator[None]:
    """Faults are many, and a table says them."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def chosen(rows: tuple[Row, ...], ids: list[str], quick: bool) -> list[Row]:
    """The rows that were asked for; all without ids, with `quick` those that are short.

    Raises:
        UserError: there is no such row.
    """
    unknown = set(ids) - {row.id for row in rows}
    if unknown:
        known = ", ".join(row.id for row in rows)
        raise UserError(f"there is no row {', '.join(sorted(unknown))}; the rows are {known}.")
    return [row for row in rows if (row.id in ids or not ids) and (row.quick or not quick)]


def tried(row: Row, quick: bool, trials: int | None) -> Result:
    """Try a row on both sides."""
    started = time.perf_counter()
    ours = _outcome(row.ours, trials or (row.quick if quick else row.trials))
    stock = _outcome(row.stock, row.stock_trials) if row.stock and not quick else None
    return Result(row, ours, stock, time.perf_counter() - started)


def _outcome(side: Callable[[int], Outcome], trials: int) -> Outcome:
    """Of a side; one that breaks down has failed, and the other rows go on."""
    try:
        return side(trials)
    except Exception as error:  # noqa: BLE001 (any fault may show itself here)
        return Outcome(0, trials, (f"it broke down with {type(error).__name__}: {error}",))


def say(console: Console, result: Result) -> None:
    """A row as it is done, and what went wrong with ours, in words."""
    console.print(f"{result.row.id}: {_share(result.ours)} in {result.seconds:.0f} s")
    for failure in result.ours.failures:
        console.print(f"[red]{result.row.id}[/red] {failure}", highlight=False)


def table_of(results: list[Result]) -> Table:
    """Good trials of all trials on both sides."""
    table = Table("row", "a good trial", "ours", "stock", "seconds", title="torture")
    for result in results:
        colour = "green" if result.ours.passed else "red"
        note = f"\n[dim]{result.ours.note}[/dim]" if result.ours.note else ""
        table.add_row(
            result.row.id,
            result.row.title + note,
            f"[{colour}]{_share(result.ours)}[/{colour}]",
            _share(result.stock),
            f"{result.seconds:.1f}",
        )
    return table


def _share(outcome: Outcome | None) -> str:
    return NOT_TRIED if outcome is None else f"{outcome.good}/{outcome.trials}"


def save(results: list[Result], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        result.row.id: {
            "title": result.row.title,
            "seconds": round(result.seconds, 1),
            "ours": asdict(result.ours),
            "stock": result.stock and asdict(result.stock),
        }
        for result in results
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
