"""What the paper says of its ablations, held against runs of several seeds."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from .samples import Difference, Sample, Samples, best, difference, mean_and_spread

HOLDS, FAILS, NOISE = "holds", "does not hold", "within noise"
OPEN, UNKNOWN = "noise not known", "not measured"
SURE = 2.0  # standard errors that a difference must exceed
ALIKE = 0.02  # of the better AP: a smaller difference counts as none, as 34.0 and 33.8 in the paper

ALPHAS = tuple(f"table1a_alpha0p{alpha}" for alpha in (10, 25, 50, 75, 90, 99, 999))
GAMMAS = tuple(f"table1b_gamma{gamma}" for gamma in ("0", "0p1", "0p2", "0p5", "1", "2", "5"))
OHEM = tuple(f"table1d_ohem_{n}_nms0p{t}" for n in (128, 256, 512) for t in (5, 7))
OHEM_1_TO_3 = tuple(f"table1d_ohem1to3_{n}_nms0p5" for n in (128, 256, 512))
FOCAL, CE, USUAL = "table1b_gamma2", "section5_ce_prior", "section5_ce_usual_init"
FOCAL_AS_OHEM = "table1d_fl"  # on COCO of ResNet-101, as the rows of OHEM


Judge = Callable[[Samples, float], tuple[str, str]]


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, its numbers there, and how it is judged."""

    text: str
    paper: str
    judge: Judge  # of rows and their noise; gives the verdict, and what was measured, in words


def is_better(rows: tuple[str, ...], others: tuple[str, ...]) -> Judge:
    """The best of some rows is above the best of others."""

    def judge(samples: Samples, noise: float) -> tuple[str, str]:
        one, other = best(rows, samples), best(others, samples)
        if one is None or other is None:
            return UNKNOWN, ""
        found = difference(one, other, noise)
        words = f"{_best(one, rows, samples)} against {_best(other, others, samples)}"
        return verdict(found), f"{words}: {found.words()}"

    return judge


def are_alike(rows: tuple[str, ...]) -> Judge:
    """All rows have about the same AP."""

    def judge(samples: Samples, noise: float) -> tuple[str, str]:
        if any(row not in samples for row in rows):
            return UNKNOWN, ""
        ordered = sorted((samples[row] for row in rows), key=lambda sample: sample.mean)
        pairs = itertools.permutations(ordered, 2)  # on common seeds the order may be another one
        found = max((difference(*pair, noise) for pair in pairs), key=lambda found: found.gap)
        names = ", ".join(map(_said, ordered))
        words = f"{names}: {found.words()} from lowest to highest"
        if math.isnan(found.error):
            return OPEN, words
        return likeness(found, ALIKE * ordered[-1].mean), words

    return judge


def verdict(found: Difference) -> str:
    """Whether a row is above another."""
    if math.isnan(found.error):
        return OPEN
    if abs(found.gap) <= SURE * found.error:
        return NOISE
    return HOLDS if found.gap > 0 else FAILS


def likeness(found: Difference, allowed: float) -> str:
    """Whether rows are alike: surely no further apart than is allowed, surely further, or neither.

    Where the noise is large this is neither, never that they are alike.
    """
    if found.gap + SURE * found.error <= allowed:
        return HOLDS
    return FAILS if found.gap - SURE * found.error > allowed else NOISE


def _best(sample: Sample, rows: tuple[str, ...], samples: Samples) -> str:
    """With how many of the rows there were to choose from, if not all."""
    full = sum(row in samples and len(samples[row].by_seed) == len(sample.by_seed) for row in rows)
    return _said(sample) + (f" (of {full} of {len(rows)} rows)" if full < len(rows) else "")


def _said(sample: Sample) -> str:
    return f"{sample.row} {mean_and_spread(sample)}"


CLAIMS = (
    Claim(
        "Cross entropy needs the prior pi in the place of the usual initialisation",
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
    Claim("Focal loss is better than OHEM", "36.0 against 32.8", is_better((FOCAL_AS_OHEM,), OHEM)),
    Claim(
        "Focal loss is better than OHEM 1:3",
        "36.0 against 31.1",
        is_better((FOCAL_AS_OHEM,), OHEM_1_TO_3),
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
