"""The numbers of each class, as a table."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table


def class_table(precision: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
    """AP, AP50, AP75 and AP of small, medium and large boxes of each class; NaN without boxes.

    Args:
        precision: (thresholds, recalls, K, areas, counts) of pycocotools, -1 where there is none.
        names: of the K classes.
    """
    parts: dict[str, tuple[Any, int]] = {"all": (slice(None), 0), "50": (0, 0), "75": (5, 0)}
    parts |= {size: (slice(None), i) for i, size in enumerate("sml", start=1)}
    table = {}
    for k, name in enumerate(names):
        cells = [precision[threshold, :, k, area, -1] for threshold, area in parts.values()]
        means = [cell[cell > -1].mean() if (cell > -1).any() else np.nan for cell in cells]
        table[name] = [round(float(mean), 3) for mean in means]
    return table


def table_text(table: dict[str, list[float]]) -> str:
    """The table of the classes, to be logged."""
    grid = Table("category", "mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
    for name, values in table.items():
        grid.add_row(name, *(f"{value:.3f}" for value in values))
    text = io.StringIO()
    Console(file=text, width=100).print(grid)
    return f"\n{text.getvalue()}"
