"""Pages of tables for a terminal, as Markdown and as HTML."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

AP = (
    "AP is COCO's average precision in percent, a mean over classes and over how well a box must "
    "overlap the object's (IoU 0.5 to 0.95); AP50 and AP75 ask for 0.5 and 0.75."
)
AP_OF_SIZES = (
    "APS, APM and APL are of objects below 32 x 32 px, up to 96 x 96 px and above; where there are "
    "few such objects they say little."
)
WIDTH = 10_000  # characters of a Markdown line: a row of a table must be one
PIPED_WIDTH = 110  # where the output is no terminal


@dataclass(frozen=True)
class Shown:
    """A table as it is printed: cells are text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""  # below, a line a paragraph
    lead: str = ""  # above: what the table is about


@dataclass(frozen=True)
class Page:
    """Tables that are shown together."""

    title: str
    tables: Sequence[Shown]
    intro: str = ""  # what they have in common


def terminal() -> Console:
    """Where tables are printed: as wide as the terminal, or so that a row stays a line."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)


def print_page(page: Page, console: Console) -> None:
    """Print it in a terminal."""
    if page.intro:
        console.print(f"{page.intro}\n", markup=False, highlight=False)
    for each in page.tables:
        console.print(each.title, style="bold", markup=False, highlight=False)
        if each.lead:
            console.print(each.lead, markup=False, highlight=False)
        console.print(_table(each, box.SIMPLE_HEAD))
        console.print(f"{each.note}\n", markup=False, highlight=False)


def write_markdown(page: Page, path: Path) -> None:
    """Write it for a repository."""
    written = io.StringIO()
    console = Console(file=written, width=WIDTH, highlight=False)
    if page.intro:
        console.print(f"{page.intro}\n", markup=False, soft_wrap=True)
    for each in page.tables:
        console.print(f"### {each.title}\n", markup=False, soft_wrap=True)
        if each.lead:
            console.print(f"{each.lead}\n", markup=False, soft_wrap=True)
        console.print(_table(each, box.MARKDOWN))
        for line in each.note.splitlines():
            console.print(f"{line}\n", markup=False, soft_wrap=True)
    lines = written.getvalue().splitlines()
    text = "\n".join(line.rstrip() for line in lines)
    path.write_text(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", encoding="utf-8")


def write_html(page: Page, path: Path) -> None:
    """Write it as one HTML file."""
    text = HTML.render(tables=page.tables, title=page.title, intro=page.intro)
    path.write_text(text, encoding="utf-8")


def _table(each: Shown, style: box.Box) -> Table:
    made = Table(*each.columns, box=style)
    bar = r"\|" if style is box.MARKDOWN else "|"
    for row in each.rows:
        made.add_row(*(Text(cell.replace("|", bar)) for cell in row))
    return made


HTML = Template(
    """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } th, td { padding: .2em .9em .2em 0; text-align: left; }
th { border-bottom: 2px solid; } td { border-bottom: 1px solid #ddd; vertical-align: top; }
</style>
<h1>{{ title }}</h1>
{% if intro %}<p>{{ intro }}</p>{% endif %}
{% for table in tables %}<h2>{{ table.title }}</h2>
{% if table.lead %}<p>{{ table.lead }}</p>{% endif %}
<table><tr>{% for column in table.columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>{% for line in table.note.splitlines() %}<p>{{ line }}</p>
{% endfor %}
{% endfor %}</html>
""",
    autoescape=True,
)
