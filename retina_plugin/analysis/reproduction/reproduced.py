"""What was measured of the rows, with the paper's numbers."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..metafile import metrics_of, models_in
from .results import METRICS, Finished
from .samples import Sample, Samples, noise_of
from .work_dirs import LeftOut


@dataclass(frozen=True)
class Reproduced:
    """Runs of rows, and what the paper says of them."""

    groups: list[list[str]]  # rows that train the same, together
    runs: dict[str, list[Finished]]  # of each row that was run
    left_out: list[LeftOut]
    paper: dict[str, dict[str, float]]

    @cached_property
    def of_metric(self) -> dict[str, Samples]:
        """AP, AP50 and AP75 of the rows that were run."""
        return {
            metric: {row: ap_of(row, runs, metric) for row, runs in self.runs.items()}
            for metric in METRICS
        }

    @property
    def samples(self) -> Samples:
        """AP of the rows that were run."""
        return self.of_metric["AP"]

    @cached_property
    def noise(self) -> float:
        """Of the difference of two rows on one seed."""
        return noise_of(self.samples.values())


def by_row(found: list[Finished], groups: list[list[str]]) -> dict[str, list[Finished]]:
    """The runs of each row, also of those that share them with another."""
    together = {row: tuple(group) for group in groups for row in group}
    of_group: dict[tuple[str, ...], list[Finished]] = {}
    for each in found:
        of_group.setdefault(together.get(each.row, (each.row,)), []).append(each)
    return {row: runs for group, runs in of_group.items() for row in group}


def ap_of(row: str, runs: list[Finished], metric: str = "AP") -> Sample:
    """One metric over the seeds; 0 where a run was stopped."""
    diverged = frozenset(run.seed for run in runs if run.ended)
    return Sample(row, {run.seed: run.metrics.get(metric, 0.0) for run in runs}, diverged)


def papers_numbers(metafile: Path) -> dict[str, dict[str, float]]:
    """The paper's AP, AP50 and AP75 of each row, where it gives them."""
    return {
        model["Name"]: metrics_of(model.get("Results", [{}])[0]) for model in models_in(metafile)
    }
