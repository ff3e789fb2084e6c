"""Stock MMDetection and ours side by side: a table, a JSON file and a plot."""

import json
import logging
import platform
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from ...engine.border import exit_code
from ..arguments import check_device, check_folder, check_positive
from ..timing import interleaved
from .plot import plot
from .roofline import Limits, least_seconds, measured_limits
from .rows import Row, slope_lines
from .setting import STOCK, Setting
from .stages import STAGES, WITHOUT_TENSORS, paths

WIDTH = 96  # columns, so that a row stays a line where the output is piped


def benchmark(**arguments: object) -> int:
    """Measures; takes the arguments of tools/benchmark.py and gives the exit code."""
    return exit_code(partial(_benchmark, SimpleNamespace(**arguments)))


def _benchmark(arguments: SimpleNamespace) -> None:
    check_device(arguments.device)
    check_positive(arguments, "repeats")
    check_folder(arguments.out, "--out")
    setting, settings = settings_of(arguments)
    rows: list[Row] = []
    console = Console(width=WIDTH)
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # results come in tables
    limits = measured_limits(setting.device)
    for at in settings:
        for stage in arguments.stages:
            cases, with_memory = STAGES[stage](at), stage not in WITHOUT_TENSORS
            measured = interleaved(cases, arguments.repeats, at.device, with_memory=with_memory)
            limit = least_seconds(stage, at, limits)
            rows.append(Row(stage, at, measured, limit))
            console.print(table_of(rows[-1]))
    forms = paths(setting)
    console.print("ours ran:", ", ".join(f"{part} {form}" for part, form in forms.items()))
    console.print(f"this machine: {limits}")
    save(rows, forms, limits, arguments.out)
    for line in slope_lines(rows, arguments.vary):
        console.print(line)
    plot(rows, arguments.vary, arguments.out / "benchmark.png")
    console.print(f"figures and plot: {arguments.out}", markup=False)


def settings_of(arguments: SimpleNamespace) -> tuple[Setting, list[Setting]]:
    """The sizes that are given, and all at which is measured.

    Raises:
        UserError: one of them is no size.
    """
    fields = Setting.__dataclass_fields__
    setting = Setting(**{key: getattr(arguments, key) for key in fields})
    if not arguments.vary:
        return setting, [setting]
    return setting, [replace(setting, **{arguments.vary: each}) for each in arguments.values]


def table_of(row: Row) -> Table:
    """Median with spread, ratio to stock, and memory of each case."""
    sizes = ", ".join(f"{key} {value}" for key, value in asdict(row.setting).items())
    table = Table("case", "median", "lowest .. highest", "stock / it", "peak memory")
    table.title = row.stage
    table.caption = sizes
    if row.limit is not None:
        table.caption += f"; the machine needs at least {row.limit * 1e3:.2f} ms"
    for name, figures in row.cases.items():
        table.add_row(
            name,
            f"{figures.median * 1e3:.2f} ms",
            f"{figures.lowest * 1e3:.2f} .. {figures.highest * 1e3:.2f}",
            f"{row.cases[STOCK].median / figures.median:.2f}" if STOCK in row.cases else "-",
            "-" if figures.peak_bytes is None else f"{figures.peak_bytes / 2**20:.1f} MiB",
        )
    return table


def save(rows: list[Row], forms: dict[str, str], limits: Limits, out: Path) -> None:
    """Write `benchmark.json`: machine, versions, which forms ran, and every figure."""
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": {
            "processor": _processor(),
            "threads": torch.get_num_threads(),
            **asdict(limits),
        },
        "torch": torch.__version__,
        "ours runs": forms,
        "rows": [asdict(row) for row in rows],
    }
    (out / "benchmark.json").write_text(json.dumps(content, indent=1) + "\n")


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    found = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return found[0] if found else platform.processor()
