"""The comparison as tables and as a plot."""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from ..figures.drawing import draw_speed
from ..shown_tables import Shown
from .published import METRICS
from .rows import MEASURED, METAFILE, PUBLISHED, Row

TITLES = {
    MEASURED: "Measured here",
    METAFILE: "From the metafiles of the models, not measured here",
    PUBLISHED: "Published, not measured here",
}
ORDER = tuple(TITLES)
# Rows of Table 1e, which Figure 2 joins by a line for each backbone.
SCALES = {
    "table1e_r50_": "RetinaNet R50, 400 to 800 px",
    "table1e_r101_": "RetinaNet R101, 400 to 800 px",
}
# Names of our configs, and of others that say so.
RETINANETS = re.compile(
    r".*retinanet|(mini_)?(table\d|appendix_|section\d)|(mmdet_[rx]\d|detectron2|torchvision_v)"
)
NOTES = {
    MEASURED: (
        "ms: median of single images, from the resized image to boxes, all models by turns. "
        "GFLOPs: the network on its first image, a multiplication with its addition as one, as "
        "MMDetection's get_flops counts. MiB: of tensors at most while it detects, beyond the "
        "weights."
    ),
    METAFILE: "As the project that trained them gives them; times are those of its hardware.",
    PUBLISHED: "As printed; times are those of the hardware that is named.",
}


def grouped(rows: Sequence[Row]) -> list[tuple[tuple[str, str], list[Row]]]:
    """Rows that may be compared, together: of one source, on one dataset."""
    ordered = sorted(rows, key=lambda row: (ORDER.index(row.source), row.data))
    return [(group, list(own)) for group, own in groupby(ordered, key=lambda row: row.group)]


def tables(rows: Sequence[Row]) -> list[Shown]:
    """One table for each source and dataset, the best AP first."""
    return [_table(*group, own) for group, own in grouped(rows)]


def _table(source: str, data: str, rows: list[Row]) -> Shown:
    rows = sorted(rows, key=lambda row: -row.metrics.get("AP", -1))
    columns: tuple[str, ...] = ("model", *METRICS, "ms")
    cells = [(row.model, *_aps(row), _time(row)) for row in rows]
    title, notes = f"{TITLES[source]}: {data}", [NOTES[source]]
    if source == MEASURED:
        title += "".join(f", on {name}" for name in sorted({row.timed_on for row in rows} - {""}))
        columns += ("M par.", "GFLOPs", "MiB")
        cells = [(*cell, *_sizes(row)) for row, cell in zip(rows, cells, strict=True)]
        notes += [f"{row.model}: {row.note}." for row in rows]
    return Shown(title, columns, cells, "\n".join(notes))


def _aps(row: Row) -> list[str]:
    """COCO's -1 stands for no such objects."""
    return [
        f"{row.metrics[name]:.1f}" if row.metrics.get(name, -1) >= 0 else "-" for name in METRICS
    ]


def _time(row: Row) -> str:
    if row.milliseconds is None:
        return "-"
    return f"{row.milliseconds:.0f}" + (f" ({row.timed_on})" if row.source != MEASURED else "")


def _sizes(row: Row) -> list[str]:
    parameters, work, peak = row.parameters, row.multiply_adds, row.peak_bytes
    return [
        "-" if parameters is None else f"{parameters / 1e6:.1f}",
        "-" if work is None else f"{work / 1e9:.1f}",
        "-" if peak is None else f"{peak / 2**20:.0f}",
    ]


def plot(rows: Sequence[Row], folder: Path) -> bool:
    """Figure 2 of the paper: AP over time, one panel for each machine; False without any point."""
    panels: dict[str, dict[str, list[tuple[str, float, float]]]] = {}
    rows = sorted(rows, key=lambda row: ORDER.index(row.source))
    for row in rows:
        if at := point(row):
            panel = panels.setdefault(f"{row.data}\n{row.source}, on {row.timed_on}", {})
            family, label = family_and_label(row.model)
            panel.setdefault(family, []).append((label, *at))
    if panels:
        draw_speed(folder, panels, joined=SCALES.values())
    return bool(panels)


def point(row: Row) -> tuple[float, float] | None:
    """Milliseconds and AP; None where one of them is not known."""
    ap = row.metrics.get("AP", -1)
    return None if row.milliseconds is None or ap < 0 else (row.milliseconds, ap)


def family_and_label(model: str) -> tuple[str, str]:
    """The group of a point in the plot, and what stands beside it."""
    for prefix, family in SCALES.items():
        if scale := re.fullmatch(rf"{prefix}(\d+)(.*)", model):
            return family, f"{scale[1]} px{scale[2]}"
    return ("RetinaNet" if RETINANETS.match(model.lower()) else "others"), model
