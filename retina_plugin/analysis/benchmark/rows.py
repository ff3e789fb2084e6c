"""Measured stages, and how their time grows with a size."""

from dataclasses import dataclass

import numpy as np

from ..timing import Measured
from .setting import Setting


@dataclass(frozen=True)
class Row:
    """What was measured of a stage at one setting."""

    stage: str
    setting: Setting
    cases: dict[str, Measured]
    limit: float | None  # seconds that the machine needs at least


def slope_lines(rows: list[Row], vary: str | None) -> list[str]:
    """For each stage and case the power of the size that varies by which its time grows."""
    lines = []
    for stage, own in by_stage(rows).items() if vary else ():
        for name in case_names(own):
            x, y = series(own, name, str(vary))
            above_0 = np.array(x) > 0  # a line of logarithms has no place for 0 gts
            if above_0.sum() > 1:
                sizes, times = np.array(x)[above_0], np.array(y)[above_0]
                power = np.polyfit(np.log(sizes), np.log(times), 1)[0]
                lines.append(f"{stage}, {name}: time grows as {vary}^{power:.2f}")
    return lines


def by_stage(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each stage."""
    stages: dict[str, list[Row]] = {}
    for row in rows:
        stages.setdefault(row.stage, []).append(row)
    return stages


def case_names(rows: list[Row]) -> list[str]:
    """Names of all cases, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row.cases))


def series(rows: list[Row], name: str, vary: str) -> tuple[list[int], list[float]]:
    """Sizes and milliseconds of a case, where it was measured."""
    own = [row for row in rows if name in row.cases]
    return [getattr(r.setting, vary) for r in own], [r.cases[name].median * 1e3 for r in own]
