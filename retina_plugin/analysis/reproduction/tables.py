"""Tables of reproduced rows with the paper's numbers beside, and the verdict on each claim."""

import itertools
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...engine.border import exit_code
from ...errors import UserError
from ..shown_tables import AP, Page, Shown, print_page, terminal, write_html, write_markdown
from .blocks import BLOCKS, Block
from .claims import ALIKE, CLAIMS, FAILS, HOLDS, NOISE, OPEN, SURE, verdict
from .miniature import FOLDER
from .plan import digests_of, groups_of, rows_in
from .reproduced import Reproduced, by_row, papers_numbers
from .results import METRICS, Finished, read_alike
from .samples import Samples, difference, mean_and_spread
from .work_dirs import LeftOut, read_work_dirs

NAMES = (
    "Rows have the names of their configs, in which 0p5 is 0.5. ± after a mean is the standard "
    "deviation over the seeds."
)
SMALL = (
    "Measured is the miniature: a ResNet-18 from random weights, {iterations} iterations on crops, "
    "of the data {data} (name and digest). The paper's numbers are of COCO, with ResNet-50 (Table "
    "1d: ResNet-101) and 90,000 iterations: compare what is better than what, not the numbers."
)
WHOLE = "Measured is what the work dirs hold, evaluated on {data}."
CLAIMS_LEAD = "What the paper says of these experiments, and whether the runs above show it."


def table(**arguments: Any) -> int:
    """Shows; takes the arguments of `tools/reproduce.py table` and gives the exit code."""
    return exit_code(partial(_table, SimpleNamespace(**arguments)))


def _table(arguments: SimpleNamespace) -> None:
    deliver(tables(arguments.configs, arguments.results), arguments)


def deliver(page: Page, arguments: SimpleNamespace) -> None:
    """Print a page, and write the files that are asked for.

    Raises:
        UserError: both are to be the same file.
    """
    files = [path for path in (arguments.markdown, arguments.html) if path]
    if len({path.resolve() for path in files}) < len(files):
        raise UserError(f"--markdown and --html are both {files[0]}: name two files.")
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
    print_page(page, terminal())
    if arguments.markdown:
        write_markdown(page, arguments.markdown)
    if arguments.html:
        write_html(page, arguments.html)


def tables(configs: Path, folder: Path) -> Page:
    """All tables of the runs in a folder: those of the miniature, or work dirs of whole rows.

    Args:
        configs: folder of all configs.
        folder: that `tools/reproduce.py mini` wrote its results into, or that holds work dirs.

    Raises:
        UserError: there are none, or they differ in data or in the miniature's schedule.
    """
    left_out: list[LeftOut] = []
    rows, measured = rows_in(configs / FOLDER), SMALL
    digests = digests_of(rows)
    groups, found = groups_of(digests), read_alike(folder, digests)
    if not found:
        rows, measured = rows_in(configs / "ablations"), WHOLE
        groups = groups_of(digests_of(rows))
        found, left_out = read_work_dirs(folder, rows, groups)
    if not found and not left_out:
        raise UserError(
            f"{folder} holds no runs of tools/reproduce.py mini, and no work dirs that are named "
            "as rows, for example table1b_gamma2."
        )
    paper = papers_numbers(configs / "ablations" / "metafile.yml")
    measured = _intro(measured, found[0]) if found else ""
    return Page(
        "RetinaNet, reproduced",
        tables_of(Reproduced(groups, by_row(found, groups), left_out, paper)),
        " ".join(filter(None, (measured, NAMES, AP))),
    )


def _intro(text: str, run: Finished) -> str:
    """What was measured; an experiment's runs are not those of the configs."""
    said = text.format(**vars(run))
    return f"{said} All were trained with {', '.join(run.options)}." if run.options else said


def tables_of(reproduced: Reproduced) -> list[Shown]:
    """A table for each of the paper's of which there are rows, and one of its claims."""
    shown = []
    for block in BLOCKS:
        rows = sorted(filter(block.has, itertools.chain(*reproduced.groups)))
        if rows:
            shown.append(_block(block, rows, reproduced))
    return [*shown, _claims(reproduced.samples, reproduced.noise)]


def _block(block: Block, rows: list[str], reproduced: Reproduced) -> Shown:
    columns = ("row", "paper AP / AP50 / AP75", "AP", "AP50", "AP75", "seeds", "AP - baseline")
    cells = [
        (
            block.short(row),
            _printed(reproduced.paper.get(row, {})),
            *_measured(row, block, reproduced),
        )
        for row in rows
    ]
    run = [row for row in rows if row in reproduced.runs]
    notes = [
        ordering(
            {row: reproduced.samples[row] for row in run},
            {row: of["AP"] for row, of in reproduced.paper.items() if "AP" in of},
            reproduced.noise,
        ),
        borrowed(run, reproduced.groups, block),
        *(f"Left out: {each.reason}." for each in reproduced.left_out if each.row in rows),
    ]
    title = f"{block.title} (baseline: {block.short(block.baseline)})"
    return Shown(title, columns, cells, "\n".join(filter(None, notes)), block.lead)


def borrowed(rows: list[str], groups: list[list[str]], block: Block) -> str:
    """Which of a table's rows are no trainings of their own, in words."""
    first = {row: group[0] for group in groups for row in group}
    names = [f"{block.short(row)} is {first[row]}" for row in rows if first[row] != row]
    return f"Trained once for several tables: {', '.join(names)}." if names else ""


def _printed(of_paper: dict[str, float]) -> str:
    return " / ".join(f"{of_paper[key]:.1f}" for key in METRICS if key in of_paper) or "-"


def _measured(row: str, block: Block, reproduced: Reproduced) -> tuple[str, ...]:
    own, samples = reproduced.runs.get(row), reproduced.samples
    left_out = sum(each.row == row for each in reproduced.left_out)
    without = f", {left_out} left out" if left_out else ""
    if not own:
        return ("left out" if left_out else "not run", "", "", f"0{without}", "")
    stopped = sum(bool(run.ended) for run in own)
    seeds = f"{len(own)}" + (f", {stopped} diverged" if stopped else "") + without
    means = [mean_and_spread(reproduced.of_metric[metric][row]) for metric in METRICS]
    if row == block.baseline or block.baseline not in samples:
        return (*means, seeds, "baseline" if row == block.baseline else "")
    gap = difference(samples[row], samples[block.baseline], reproduced.noise)
    return (*means, seeds, gap.words())


def ordering(samples: Samples, paper: dict[str, float], noise: float) -> str:
    """How many pairs of rows stand in the paper's order; without noise, by the numbers alone."""
    rows = sorted((row for row in samples if row in paper), key=lambda row: -paper[row])
    gaps = [
        difference(samples[better], samples[worse], noise)
        for better, worse in itertools.combinations(rows, 2)
        if paper[better] > paper[worse]
    ]
    if not gaps:
        return ""
    unknown = sum(math.isnan(gap.error) for gap in gaps)
    found = [verdict(replace(gap, error=0) if math.isnan(gap.error) else gap) for gap in gaps]
    right, wrong, unsure = (found.count(each) for each in (HOLDS, FAILS, NOISE))
    said = f" (of {unknown} the noise is not known)" if unknown else ""
    return (
        f"Pairs of rows in the paper's order: {right} of {len(gaps)}; in the other: {wrong}; equal "
        f"or within noise: {unsure}{said}."
    )


def _claims(samples: Samples, noise: float) -> Shown:
    rows = [(claim.text, claim.paper, *claim.judge(samples, noise)) for claim in CLAIMS]
    cells = [(text, paper, measured, verdict) for text, paper, verdict, measured in rows]
    note = (
        f"A run that diverged counts as AP 0. {noise_said(noise)} The best of several rows is "
        "chosen by these same runs, which favours the side that has more rows to choose from. Rows "
        f"are alike if the highest and the lowest are surely less than {ALIKE:.0%} of the AP apart."
    )
    return Shown("Claims", ("claim", "paper", "measured", "verdict"), cells, note, CLAIMS_LEAD)


def noise_said(noise: float) -> str:
    """What stands after ±, and when a difference counts."""
    if math.isnan(noise):
        return (
            f"The noise is not known, as no two rows have two seeds in common ({OPEN!r}): there is "
            "no verdict."
        )
    return (
        "Rows are compared on the seeds that both have; on one seed a difference varies by "
        f"{100 * noise:.1f} (standard deviation, pooled over all pairs of rows, without runs that "
        "diverged). ± after a difference is its standard error; one counts if it is over "
        f"{SURE:.0f} of them."
    )
