import math
from pathlib import Path

import pytest

from retina_plugin.analysis.reproduction.claims import (
    CLAIMS,
    FAILS,
    HOLDS,
    NOISE,
    OPEN,
    UNKNOWN,
    are_alike,
    is_better,
)
from retina_plugin.analysis.reproduction.plan import CLAIMED, rows_in
from retina_plugin.analysis.reproduction.samples import Sample

MINI = Path(__file__).parents[3] / "configs" / "ablations" / "mini"


def samples(**values):
    return {row: Sample(row, dict(enumerate(aps))) for row, aps in values.items()}


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        ((0.30, 0.31, 0.32), (0.20, 0.21, 0.22), HOLDS),
        ((0.20, 0.21, 0.22), (0.30, 0.31, 0.32), FAILS),
        ((0.30, 0.31, 0.32), (0.295, 0.305, 0.315), NOISE),
        ((0.30,), (0.20,), HOLDS),  # on one seed, with the noise of other rows
        ((0.30,), (0.28,), NOISE),
    ],
)
def test_better_is_more_than_two_standard_errors(better, worse, verdict):
    """Of 0.0173 / sqrt(3), or 0.0173 on one seed."""
    found, words = is_better(("a",), ("b",))(samples(a=better, b=worse), 0.0173)
    assert found == verdict
    assert words.startswith(f"a {100 * sum(better) / len(better):.1f}")


def test_without_noise_there_is_no_verdict():
    found, words = is_better(("a",), ("b",))(samples(a=(0.3,), b=(0.1,)), math.nan)
    assert (found, words) == (OPEN, "a 30.0 against b 10.0: +20.0")
    found, words = are_alike(("a", "b"))(samples(a=(0.1,), b=(0.3,)), math.nan)
    assert (found, words) == (OPEN, "a 10.0, b 30.0: +20.0 from lowest to highest")


def test_the_best_of_several_rows_counts():
    runs = samples(a=(0.1, 0.1), b=(0.30, 0.31), c=(0.2, 0.21))
    _, words = is_better(("a", "b"), ("c",))(runs, 0.01)
    assert words == "b 30.5 ± 0.7 against c 20.5 ± 0.7: +10.0 ± 0.7"


def test_rows_with_fewer_seeds_are_not_taken_for_the_best():
    """A lucky seed, a row that was not run, and one of three that has both seeds."""
    runs = samples(a=(0.3, 0.31), b=(0.4,), d=(0.1, 0.11))
    _, words = is_better(("a", "b", "c"), ("d",))(runs, 0.01)
    assert words.startswith("a 30.5 ± 0.7 (of 1 of 3 rows) against d 10.5 ± 0.7:")


@pytest.mark.parametrize(
    ("last", "noise", "verdict"),
    [
        ((0.304, 0.306), 0.0, HOLDS),
        ((0.304, 0.306), 0.001, NOISE),
        ((0.30, 0.30), 0.04, NOISE),  # of large noise nothing is learned
        ((0.34, 0.36), 0.04, NOISE),
        ((0.34, 0.36), 0.02, FAILS),
    ],
)
def test_alike_is_surely_less_than_a_fiftieth_apart(last, noise, verdict):
    """Differences of 0.005, 0 and 0.05, whose error is the noise over sqrt(2)."""
    runs = samples(a=(0.30, 0.30), b=last)
    assert are_alike(("a", "b"))(runs, noise)[0] == verdict


def test_rows_that_share_few_seeds_are_alike_only_if_they_are_on_those():
    """By means over all seeds a is below b, on the seed that both have 20 points above it."""
    runs = {"a": Sample("a", {0: 0.5, 1: 0.1, 2: 0.1}), "b": Sample("b", {0: 0.3})}
    found, words = are_alike(("a", "b"))(runs, 0.03)
    assert found == FAILS
    assert words.endswith("+20.0 ± 3.0 from lowest to highest")


def test_focal_loss_is_held_against_ohem_of_its_own_backbone():
    """On COCO the rows of Table 1d are of ResNet-101, those of Table 1b of ResNet-50."""
    runs = {
        row: Sample(row, {0: ap, 1: ap})
        for row, ap in {"table1d_fl": 0.36, "table1d_ohem_128_nms0p5": 0.33}.items()
    }
    runs["table1b_gamma2"] = Sample("table1b_gamma2", {0: 0.32, 1: 0.32})
    (claim,) = (each for each in CLAIMS if each.text == "Focal loss is better than OHEM")
    assert claim.judge(runs, 0.01)[0] == HOLDS


def test_a_row_that_was_not_run_leaves_a_claim_open():
    for claim in CLAIMS:
        assert claim.judge({}, 0.01) == (UNKNOWN, "")
    assert are_alike(("a", "b"))(samples(a=(0.1, 0.2)), 0.01)[0] == UNKNOWN


def test_claims_are_about_rows_that_are_shipped():
    runs = {row: Sample(row, {0: 0.1, 1: 0.2, 2: 0.3}) for row in rows_in(MINI)}
    for claim in CLAIMS:
        assert claim.judge(runs, 0.01)[0] != UNKNOWN
    only_claimed = {row: runs[row] for row in CLAIMED}
    for claim in CLAIMS:
        assert claim.judge(only_claimed, 0.01)[0] != UNKNOWN
