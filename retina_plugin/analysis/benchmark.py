"""Stock MMDetection and ours side by side: a table, a JSON file and a plot."""

import json
import logging
import platform
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import torch
from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from ..engine.border import exit_code
from ..errors import UserError
from .setting import STOCK, Setting
from .stages import STAGES, WITHOUT_TENSORS, paths
from .timing import Measured, interleaved

MARKERS = "osD^v"
WIDTH = 96  # columns, so that a row stays a line where the output is piped


def benchmark(**arguments: object) -> int:
    """Measures; takes the arguments of tools/benchmark.py and gives the exit code."""
    return exit_code(partial(_benchmark, SimpleNamespace(**arguments)))


def _benchmark(arguments: SimpleNamespace) -> None:
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here; use --device cpu.")
    fields = Setting.__dataclass_fields__
    setting = Setting(**{key: getattr(arguments, key) for key in fields})
    changes: list[dict[str, Any]] = [{}]
    if arguments.vary:
        changes = [{arguments.vary: value} for value in arguments.values or []]
    rows = []
    console = Console(width=WIDTH)
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # results come in tables
    for change in changes:
        at = replace(setting, **change)
        for stage in arguments.stages:
            cases, with_memory = STAGES[stage](at), stage not in WITHOUT_TENSORS
            measured = interleaved(cases, arguments.repeats, at.device, with_memory=with_memory)
            rows.append({"stage": stage, "setting": asdict(at), "cases": measured})
            console.print(table_of(stage, at, measured))
    forms = paths(setting)
    console.print("ours ran:", ", ".join(f"{part} {form}" for part, form in forms.items()))
    console.print(f"figures and plot: {arguments.out}")
    save(rows, forms, arguments.out)
    plot(rows, arguments.vary, arguments.out / "benchmark.png")


def table_of(stage: str, setting: Setting, measured: dict[str, Measured]) -> Table:
    """Median with spread, ratio to stock, and memory of each case."""
    sizes = ", ".join(f"{key} {value}" for key, value in asdict(setting).items())
    table = Table("case", "median", "lowest .. highest", "stock / it", "peak memory")
    table.title, table.caption = stage, sizes
    for name, figures in measured.items():
        table.add_row(
            name,
            f"{figures.median * 1e3:.2f} ms",
            f"{figures.lowest * 1e3:.2f} .. {figures.highest * 1e3:.2f}",
            f"{measured[STOCK].median / figures.median:.2f}",
            "-" if figures.peak_bytes is None else f"{figures.peak_bytes / 2**20:.1f} MiB",
        )
    return table


def save(rows: list[dict], forms: dict[str, str], out: Path) -> None:
    """Write `benchmark.json`: machine, versions, which forms ran, and every figure."""
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": {"processor": _processor(), "threads": torch.get_num_threads()},
        "torch": torch.__version__,
        "ours runs": forms,
        "rows": [
            {**row, "cases": {name: asdict(m) for name, m in row["cases"].items()}} for row in rows
        ],
    }
    (out / "benchmark.json").write_text(json.dumps(content, indent=1) + "\n")


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    found = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return found[0] if found else platform.processor()


def plot(rows: list[dict], vary: str | None, path: Path) -> None:
    """Bars of all stages, or lines over the size that varies; both axes of lines are log."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    stages = list(dict.fromkeys(row["stage"] for row in rows))
    figure, axes = pyplot.subplots(
        1, len(stages), figsize=(3.6 * len(stages), 3.4), squeeze=False, layout="constrained"
    )
    for stage, axis in zip(stages, axes[0], strict=True):
        own = [row for row in rows if row["stage"] == stage]
        draw = _lines if vary else _bars
        draw(axis, own, vary)
        axis.set(title=stage, ylabel="milliseconds")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _bars(axis: Any, rows: list[dict], _: str | None) -> None:
    (row,) = rows
    labels = []
    for i, (name, figures) in enumerate(row["cases"].items()):
        low, high = figures.median - figures.lowest, figures.highest - figures.median
        spread = [[low * 1e3], [high * 1e3]]
        hatch = "/" * i
        axis.bar(i, figures.median * 1e3, yerr=spread, color="0.8", edgecolor="black", hatch=hatch)
        labels.append(name.replace(", ", ",\n") + f"\n{figures.median * 1e3:,.1f} ms")
    axis.set_xticks(range(len(labels)), labels)


def _lines(axis: Any, rows: list[dict], vary: str | None) -> None:
    for i, name in enumerate(rows[0]["cases"]):
        x = [row["setting"][vary] for row in rows]
        y = [row["cases"][name].median * 1e3 for row in rows]
        axis.loglog(
            x, y, color="black", marker=MARKERS[i], linestyle=("-", "--", ":")[i % 3], label=name
        )
    axis.set_xlabel(vary)
    axis.legend()
