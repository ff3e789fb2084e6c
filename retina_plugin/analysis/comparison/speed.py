"""Figure 2 of the paper: AP over time, of its own points and of models that were compared here."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...engine.border import exit_code
from .published import papers_rows
from .report import plot, point
from .rows import read_rows


def speed(**arguments: Any) -> int:
    """Draws; takes the arguments of `tools/figures.py speed` and gives the exit code."""
    return exit_code(partial(_speed, SimpleNamespace(**arguments)))


def _speed(arguments: SimpleNamespace) -> None:
    by_file = {file: read_rows(Path(file)) for file in arguments.comparisons}
    for file, rows in by_file.items():
        if not rows:
            print(f"{file} holds no models.")
    own = list({str(row): row for rows in by_file.values() for row in rows}.values())
    for row in own:
        if not point(row):
            print(f"{row.model} on {row.data} is not drawn, as its AP or its time is not known.")
    seen = set(map(str, own))
    plot(
        own + [row for row in papers_rows(arguments.configs) if str(row) not in seen], arguments.out
    )
    print(f"figure 2 is in {arguments.out}.")
