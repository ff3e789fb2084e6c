"""Tables of reproduced rows with the paper's numbers beside, and the verdict on each claim."""

import itertools
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...engine.border import exit_code
from ...errors import UserError
from ..metafile import metrics_of, models_in
from ..shown_tables import Shown, print_tables, terminal, write_markdown, write_page
from .claims import CLAIMS, SURE, Sample, Samples, mean_and_spread, standard_error
from .miniature import FOLDER
from .plan import groups_of, rows_in
from .results import METRICS, Finished, check_alike, read
from .work_dirs import LeftOut, read_work_dirs


@dataclass(frozen=True)
class Block:
    """Rows that the paper compares."""

    title: str
    prefix: str  # of their names
    baseline: str
    lead: str  # what they are


BLOCKS = (
    Block(
        "Section 5.1: initialisation, hinge",
        "section5_",
        "section5_ce_prior",
        "Plain cross entropy on all anchors, nearly all of them background. It starts with every "
        "output at 0.5 (usual initialisation) or at the prior pi, 0.01. A hinge on p_t, the "
        "probability of the true class, is the paper's negative result.",
    ),
    Block(
        "Table 1a: alpha-balanced cross entropy",
        "table1a_",
        "table1a_alpha0p50",
        "Cross entropy in which an anchor on an object weighs alpha, one on background 1 - alpha.",
    ),
    Block(
        "Table 1b: focal loss, each gamma with its best alpha",
        "table1b_",
        "table1b_gamma0",
        "The higher gamma, the less an anchor counts that is classified well already; gamma 0 is "
        "cross entropy.",
    ),
    Block(
        "Table 1c: scales and aspect ratios of anchors",
        "table1c_",
        "table1c_scales1_ratios1",
        "How many sizes and shapes of anchors stand on each cell; all with focal loss.",
    ),
    Block(
        "Table 1d: OHEM against focal loss",
        "table1d_",
        "table1d_fl",
        "Online hard example mining trains on the anchors with the highest loss: so many of an "
        "image, without those that overlap a harder one by more than the NMS threshold; 1:3 takes "
        "three on background for each on an object.",
    ),
    Block(
        "Appendix: FL* against FL and CE",
        "appendix_",
        "appendix_ce",
        "FL* is another loss of the same shape, with gamma and beta in its name.",
    ),
    Block(
        "Section 4.1: the prior",
        "section4_",
        "table1b_gamma2",
        "Focal loss from other probabilities of an object at the start; the baseline has 0.01.",
    ),
    Block(
        "Table 1e: depth and scale",
        "table1e_",
        "table1e_r50_600",
        "ResNet-50 and -101 at several lengths of an image's shorter side, in pixels. The paper's "
        "numbers are on test-dev.",
    ),
    Block(
        "Table 2: scale jitter and a longer schedule",
        "table2_",
        "table2_r101",
        "The paper's best models; its numbers are on test-dev.",
    ),
    Block(
        "Section 3.2: focal loss over a softmax",
        "section3_",
        "table1b_gamma2",
        "One softmax over the classes and background, where the baseline has a sigmoid a class.",
    ),
)
CLAIMS_LEAD = "What the paper says of these experiments, and whether the runs above show it."


def table(**arguments: Any) -> int:
    """Shows; takes the arguments of `tools/reproduce.py table` and gives the exit code."""
    return exit_code(partial(_table, SimpleNamespace(**arguments)))


def _table(arguments: SimpleNamespace) -> None:
    deliver(tables(arguments.configs, arguments.results), arguments, "RetinaNet, reproduced")


def deliver(shown: list[Shown], arguments: SimpleNamespace, title: str) -> None:
    """Print tables, and write the files that are asked for."""
    print_tables(shown, terminal())
    if arguments.markdown:
        write_markdown(shown, arguments.markdown)
    if arguments.html:
        write_page(shown, arguments.html, title)


def tables(configs: Path, folder: Path) -> list[Shown]:
    """All tables of the runs in a folder: those of the miniature, or work dirs of whole rows.

    Args:
        configs: folder of all configs.
        folder: that `tools/reproduce.py mini` wrote its results into, or that holds work dirs.

    Raises:
        UserError: there are none, or they differ in data or in the miniature's schedule.
    """
    left_out: list[LeftOut] = []
    rows = rows_in(configs / FOLDER)
    found = read_alike(folder, groups_of(rows))
    if not found:
        rows = rows_in(configs / "ablations")
        found, left_out = read_work_dirs(folder, rows)
    if not found and not left_out:
        raise UserError(
            f"{folder} holds no runs of tools/reproduce.py mini, and no work dirs that are named "
            "as rows, for example table1b_gamma2."
        )
    return tables_of(rows, found, left_out, papers_numbers(configs / "ablations" / "metafile.yml"))


def read_alike(folder: Path, groups: list[list[str]]) -> list[Finished]:
    """The miniature's runs in a folder.

    Raises:
        UserError: they differ in data, schedule or options, are of no row or there twice.
    """
    found = read(folder)
    for each in found:
        check_alike([each], found[0].iterations, found[0].data, found[0].options, folder)
    check_once(found, groups, folder)
    return found


def check_once(found: list[Finished], groups: list[list[str]], folder: Path) -> None:
    """Raise UserError for a run of no row, and for one that is there under two names of its row."""
    together = {row: group for group in groups for row in group}
    seen: dict[tuple[str, int], str] = {}
    for each in found:
        file = folder / each.file
        if each.row not in together:
            raise UserError(f"{file}: there is no row {each.row}; remove the file.")
        run = together[each.row][0], each.seed
        if run in seen:
            raise UserError(f"{file} is the same training as {seen[run]}: remove one of them.")
        seen[run] = each.file


def tables_of(
    rows: dict[str, Path],
    found: list[Finished],
    left_out: list[LeftOut],
    paper: dict[str, dict[str, float]],
) -> list[Shown]:
    """A table for each of the paper's of which there are rows, and one of its claims."""
    groups = groups_of(rows)
    runs = by_row(found, groups)
    blocks = [
        _block(block, groups, runs, left_out, paper)
        for block in BLOCKS
        if any(row.startswith(block.prefix) for row in rows)
    ]
    return [*blocks, _claims({row: ap_of(row, of) for row, of in runs.items()})]


def by_row(found: list[Finished], groups: list[list[str]]) -> dict[str, list[Finished]]:
    """The runs of each row, also of those that share them with another."""
    together = {row: tuple(group) for group in groups for row in group}
    of_group: dict[tuple[str, ...], list[Finished]] = {}
    for each in found:
        of_group.setdefault(together.get(each.row, (each.row,)), []).append(each)
    return {row: runs for group, runs in of_group.items() for row in group}


def ap_of(row: str, runs: list[Finished], metric: str = "AP") -> Sample:
    """One metric over the seeds; 0 where a run was stopped."""
    return Sample(row, tuple(run.metrics.get(metric, 0.0) for run in runs))


def papers_numbers(metafile: Path) -> dict[str, dict[str, float]]:
    """The paper's AP, AP50 and AP75 of each row, where it gives them."""
    return {
        model["Name"]: metrics_of(model.get("Results", [{}])[0]) for model in models_in(metafile)
    }


def _block(
    block: Block,
    groups: list[list[str]],
    runs: dict[str, list[Finished]],
    left_out: list[LeftOut],
    paper: dict[str, dict[str, float]],
) -> Shown:
    rows = sorted(row for row in itertools.chain(*groups) if row.startswith(block.prefix))
    columns = ("row", "paper AP / AP50 / AP75", "AP", "AP50", "AP75", "seeds", "to baseline")
    base = runs.get(block.baseline)
    cells = [
        (
            row.removeprefix(block.prefix),
            _printed(paper.get(row, {})),
            *_measured(row, runs, base, sum(each.row == row for each in left_out)),
        )
        for row in rows
    ]
    samples = {row: ap_of(row, runs[row]) for row in rows if row in runs}
    notes = [f"Left out: {each.reason}." for each in left_out if each.row in rows]
    in_order = ordering(samples, {row: of["AP"] for row, of in paper.items() if "AP" in of})
    title = f"{block.title} (baseline: {block.baseline.removeprefix(block.prefix)})"
    note = "\n".join([*([in_order] if in_order else []), *notes])
    return Shown(title, columns, cells, note, block.lead)


def _printed(of_paper: dict[str, float]) -> str:
    return " / ".join(f"{of_paper[key]:.1f}" for key in METRICS if key in of_paper) or "-"


def _measured(
    row: str, runs: dict[str, list[Finished]], base: list[Finished] | None, left_out: int
) -> tuple[str, ...]:
    own = runs.get(row)
    without = f", {left_out} left out" if left_out else ""
    if not own:
        return ("left out" if left_out else "not run", "", "", f"0{without}", "")
    stopped = sum(bool(run.ended) for run in own)
    seeds = f"{len(own)}" + (f", {stopped} diverged" if stopped else "") + without
    means = [mean_and_spread(ap_of(row, own, metric)) for metric in METRICS]
    return (*means, seeds, _gap(ap_of(row, own), ap_of("", base) if base else None))


def _gap(own: Sample, base: Sample | None) -> str:
    return "" if not base else f"{100 * (own.mean - base.mean):+.1f}"


def ordering(samples: Samples, paper: dict[str, float]) -> str:
    """How many pairs of rows stand in the paper's order."""
    right = wrong = unsure = unknown = 0
    rows = [row for row in samples if row in paper]
    for one, other in itertools.combinations(rows, 2):
        expected = paper[one] - paper[other]
        gap = samples[one].mean - samples[other].mean
        error = standard_error(samples[one], samples[other])
        unknown += math.isnan(error)
        if not abs(gap) > (0 if math.isnan(error) else SURE * error):
            unsure += 1
        elif gap * expected > 0:
            right += 1
        else:
            wrong += 1
    total = right + wrong + unsure
    if not total:
        return ""
    one_seed = f" (of {unknown} pairs with one seed each the noise is not known)" if unknown else ""
    return (
        f"Pairs of rows in the paper's order: {right} of {total}; in the other: {wrong}; within "
        f"noise: {unsure}{one_seed}."
    )


def _claims(samples: Samples) -> Shown:
    rows = [(claim.text, claim.paper, *claim.judge(samples)) for claim in CLAIMS]
    cells = [(text, paper, measured, verdict) for text, paper, verdict, measured in rows]
    note = (
        f"A difference counts if it is over {SURE:.0f} standard errors of the means; rows are "
        "alike within that, or within a fiftieth of their AP. A run that diverged counts as AP 0."
    )
    return Shown("Claims", ("claim", "paper", "measured", "verdict"), cells, note, CLAIMS_LEAD)
