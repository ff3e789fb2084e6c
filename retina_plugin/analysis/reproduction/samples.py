"""AP of rows over seeds, and how much of their differences may be noise.

Runs of one seed start from the same weights and see the same images in the same order, and what a
seed does to one row it does to others too. So rows are compared seed by seed, and the noise is that
of such differences, pooled over all pairs of rows: each row alone has too few seeds to tell it.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """AP of the runs of a row by their seeds, from 0 to 1; 0 of one that diverged."""

    row: str
    by_seed: Mapping[int, float]
    diverged: frozenset[int] = frozenset()  # seeds

    @property
    def values(self) -> list[float]:
        """In the order of the seeds."""
        return [self.by_seed[seed] for seed in sorted(self.by_seed)]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.mean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; NaN of one."""
        return statistics.stdev(self.values) if len(self.by_seed) > 1 else math.nan


Samples = Mapping[str, Sample]


@dataclass(frozen=True)
class Difference:
    """Of the means of two rows over the seeds that both have."""

    gap: float
    error: float  # standard error; NaN where the noise is not known

    def words(self) -> str:
        """In percent, with the error where it is known."""
        error = "" if math.isnan(self.error) else f" ± {100 * self.error:.1f}"
        return f"{100 * self.gap:+.1f}{error}"


def difference(one: Sample, other: Sample, noise: float) -> Difference:
    """One row's AP less the other's.

    Args:
        one: a row.
        other: another. Without a common seed the means are compared, with an unknown error.
        noise: of `noise_of`.
    """
    gaps = _gaps(one, other)
    if not gaps:
        return Difference(one.mean - other.mean, math.nan)
    return Difference(statistics.mean(gaps), noise / math.sqrt(len(gaps)))


def noise_of(*folders: Iterable[Sample]) -> float:
    """Standard deviation of the difference of two rows on one seed; NaN if no two share two seeds.

    Of runs that were trained to the end: a divergence is what a row does, no noise of the others.

    Args:
        folders: rows that are compared with each other; one training under several names counts
            once.
    """
    squares = freedom = 0.0
    for samples in folders:
        distinct = {tuple(sorted(each.by_seed.items())): each for each in samples}
        for one, other in itertools.combinations(distinct.values(), 2):
            gaps = _gaps(one, other, one.diverged | other.diverged)
            if len(gaps) > 1:
                squares += statistics.variance(gaps) * (len(gaps) - 1)
                freedom += len(gaps) - 1
    return math.sqrt(squares / freedom) if freedom else math.nan


def best(rows: Iterable[str], samples: Samples) -> Sample | None:
    """The row with the highest mean, of those that have the most seeds; None if none was run."""
    found = [samples[row] for row in rows if row in samples]
    most = max((len(each.by_seed) for each in found), default=0)
    full = [each for each in found if len(each.by_seed) == most]
    return max(full, key=lambda sample: sample.mean, default=None)


def mean_and_spread(sample: Sample) -> str:
    """In percent; without a spread where there is one seed."""
    spread = "" if math.isnan(sample.spread) else f" ± {100 * sample.spread:.1f}"
    return f"{100 * sample.mean:.1f}{spread}"


def _gaps(one: Sample, other: Sample, without: frozenset[int] = frozenset()) -> list[float]:
    common = sorted((one.by_seed.keys() & other.by_seed.keys()) - without)
    return [one.by_seed[seed] - other.by_seed[seed] for seed in common]
