"""What the paper says of its ablations, held against runs of several seeds."""

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HOLDS, FAILS, NOISE = "holds", "does not hold", "within noise"
ONE_SEED, UNKNOWN = "one seed each", "not measured"
SURE = 2.0  # standard errors that a difference must exceed
ALIKE = 0.02  # of the better AP: a smaller difference counts as none, as 34.0 and 33.8 in the paper

ALPHAS = tuple(f"table1a_alpha0p{alpha}" for alpha in (10, 25, 50, 75, 90, 99, 999))
GAMMAS = tuple(f"table1b_gamma{gamma}" for gamma in ("0", "0p1", "0p2", "0p5", "1", "2", "5"))
OHEM = tuple(f"table1d_ohem_{n}_nms0p{t}" for n in (128, 256, 512) for t in (5, 7))
OHEM_1_TO_3 = tuple(f"table1d_ohem1to3_{n}_nms0p5" for n in (128, 256, 512))
FOCAL, CE, USUAL = "table1b_gamma2", "section5_ce_prior", "section5_ce_usual_init"


@dataclass(frozen=True)
class Sample:
    """AP of the runs of a row, from 0 to 1; 0 of one that diverged."""

    row: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.mean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; NaN of one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan


Samples = Mapping[str, Sample]
Judge = Callable[[Samples], tuple[str, str]]


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, its numbers there, and how it is judged."""

    text: str
    paper: str
    judge: Judge  # gives the verdict, and what was measured, in words


def best(rows: tuple[str, ...], samples: Samples) -> Sample | None:
    """The row with the highest mean of those that were run."""
    found = [samples[row] for row in rows if row in samples]
    return max(found, key=lambda sample: sample.mean, default=None)


def standard_error(one: Sample, other: Sample) -> float:
    """Of the difference of two means, by their common variance; NaN where both have one run."""
    pairs = [(each.spread**2, len(each.values) - 1) for each in (one, other)]
    pairs = [(variance, freedom) for variance, freedom in pairs if freedom]
    if not pairs:
        return math.nan
    common = sum(v * f for v, f in pairs) / sum(f for _, f in pairs)
    return math.sqrt(common * (1 / len(one.values) + 1 / len(other.values)))


def is_better(rows: tuple[str, ...], others: tuple[str, ...]) -> Judge:
    """The best of some rows is above the best of others."""

    def judge(samples: Samples) -> tuple[str, str]:
        one, other = best(rows, samples), best(others, samples)
        if one is None or other is None:
            return UNKNOWN, ""
        gap, error = one.mean - other.mean, standard_error(one, other)
        words = f"{_best(one, rows, samples)} against {_best(other, others, samples)}"
        return _verdict(gap, error), f"{words}: {points(gap, error)}"

    return judge


def are_alike(rows: tuple[str, ...]) -> Judge:
    """All rows have about the same AP."""

    def judge(samples: Samples) -> tuple[str, str]:
        found = sorted((samples[row] for row in rows if row in samples), key=lambda s: s.mean)
        if len(found) < len(rows):
            return UNKNOWN, ""
        low, high = found[0], found[-1]
        gap, error = high.mean - low.mean, standard_error(high, low)
        is_none = gap <= max(ALIKE * high.mean, SURE * error)
        words = ", ".join(map(_said, found)) + f": {points(gap, error)} from lowest to highest"
        if math.isnan(error):
            return ONE_SEED, words
        return (HOLDS if is_none else FAILS), words

    return judge


def _verdict(gap: float, error: float) -> str:
    if math.isnan(error):
        return ONE_SEED
    if abs(gap) <= SURE * error:
        return NOISE
    return HOLDS if gap > 0 else FAILS


def _best(sample: Sample, rows: tuple[str, ...], samples: Samples) -> str:
    """With how many of the rows there are to choose from, if not all."""
    there = sum(row in samples for row in rows)
    return _said(sample) + (f" (of {there} of {len(rows)} rows)" if there < len(rows) else "")


def _said(sample: Sample) -> str:
    return f"{sample.row} {mean_and_spread(sample)}"


def mean_and_spread(sample: Sample) -> str:
    """In percent; without a spread where there is one seed."""
    spread = "" if math.isnan(sample.spread) else f" ± {100 * sample.spread:.1f}"
    return f"{100 * sample.mean:.1f}{spread}"


def points(gap: float, error: float) -> str:
    """A difference in percent, with its standard error where that is known."""
    return f"{100 * gap:+.1f}" + ("" if math.isnan(error) else f" ± {100 * error:.1f}")


CLAIMS = (
    Claim(
        "Cross entropy needs the prior pi: with the usual initialisation it diverges",
        "30.2, where the other diverges",
        is_better((CE,), (USUAL,)),
    ),
    Claim("The best alpha helps cross entropy", "31.1 against 30.2", is_better(ALPHAS, (CE,))),
    Claim(
        "It helps by the balance: alpha 0.75 is better than 0.5, which weighs both kinds alike",
        "31.1 against 30.2",
        is_better(("table1a_alpha0p75",), ("table1a_alpha0p50",)),
    ),
    Claim(
        "Focal loss, gamma 2, is better than cross entropy with the best alpha",
        "34.0 against 31.1",
        is_better((FOCAL,), ALPHAS),
    ),
    Claim(
        "A gamma below 2 already helps: the best of 0.1 to 1 is better than cross entropy",
        "33.7 (gamma 1) against 31.1",
        is_better(GAMMAS[1:5], GAMMAS[:1]),
    ),
    Claim("Gamma 2 is better than gamma 5", "34.0 against 32.2", is_better((FOCAL,), GAMMAS[-1:])),
    Claim(
        "FL* is as good as FL: the form hardly matters",
        "33.8 and 33.9 against 34.0",
        are_alike(("appendix_fl_star_2_1", "appendix_fl_star_4_0", FOCAL)),
    ),
    Claim("Focal loss is better than OHEM", "36.0 against 32.8", is_better((FOCAL,), OHEM)),
    Claim(
        "Focal loss is better than OHEM 1:3", "36.0 against 31.1", is_better((FOCAL,), OHEM_1_TO_3)
    ),
    Claim(
        "Nine anchors a cell are better than one",
        "34.0 against 30.3",
        is_better(("table1c_scales3_ratios3",), ("table1c_scales1_ratios1",)),
    ),
    Claim(
        "The value of pi hardly matters",
        "no numbers",
        are_alike(("section4_pi0p001", FOCAL, "section4_pi0p1")),
    ),
)
