"""The picture of a benchmark, readable in black and white."""

from pathlib import Path
from typing import Any

import matplotlib

from .rows import Row, by_stage, case_names, series

MARKERS = "osD^v"
LIMIT_LINE = {"color": "0.5", "linewidth": 3, "label": "the machine's limit"}
AXIS_NAMES = {"gts": "boxes", "width": "width, px", "batch": "images in a batch"}


def plot(rows: list[Row], vary: str | None, path: Path) -> None:
    """Bars of all stages, or lines over the size that varies; both axes of lines are log."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    stages = by_stage(rows)
    figure, axes = pyplot.subplots(
        1, len(stages), figsize=(3.8 * len(stages), 4.4), squeeze=False, layout="constrained"
    )
    names = case_names(rows)  # of all panels, so that a case looks the same in each
    for (stage, own), axis in zip(stages.items(), axes[0], strict=True):
        if vary:
            _lines(axis, own, vary, names)
        else:
            _bars(axis, own[0])
        against = f" against {AXIS_NAMES.get(vary, vary)}" if vary else ""
        axis.set(title=f"{stage}{against}", ylabel="milliseconds")
        axis.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize="small", frameon=False
        )
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _bars(axis: Any, row: Row) -> None:
    labels = []
    for i, (name, figures) in enumerate(row.cases.items()):
        low, high = figures.median - figures.lowest, figures.highest - figures.median
        spread = [[low * 1e3], [high * 1e3]]
        hatch = "/" * i
        axis.bar(i, figures.median * 1e3, yerr=spread, color="0.8", edgecolor="black", hatch=hatch)
        labels.append(name.replace(", ", ",\n") + f"\n{figures.median * 1e3:,.1f} ms")
    axis.set_xticks(range(len(labels)), labels, fontsize="small")
    if row.limit is not None:
        axis.axhline(row.limit * 1e3, **LIMIT_LINE)


def _lines(axis: Any, rows: list[Row], vary: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name not in case_names(rows):
            continue
        marker, line = MARKERS[i % len(MARKERS)], ("-", "--", ":")[i % 3]
        style = {"marker": marker, "linestyle": line, "color": "black"}
        axis.loglog(*series(rows, name, vary), label=name, **style)
    limits = {getattr(r.setting, vary): r.limit * 1e3 for r in rows if r.limit is not None}
    if limits:
        axis.loglog(limits.keys(), limits.values(), **LIMIT_LINE)
    sizes = sorted({getattr(row.setting, vary) for row in rows})
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.set_xticks([], minor=True)
    axis.set_xlabel(AXIS_NAMES.get(vary, vary))
