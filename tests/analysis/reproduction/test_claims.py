import math
from pathlib import Path

import pytest

from retina_plugin.analysis.reproduction.claims import (
    CLAIMS,
    FAILS,
    HOLDS,
    NOISE,
    ONE_SEED,
    UNKNOWN,
    Sample,
    are_alike,
    is_better,
    standard_error,
)
from retina_plugin.analysis.reproduction.plan import CLAIMED, rows_in

MINI = Path(__file__).parents[3] / "configs" / "ablations" / "mini"


def samples(**values):
    return {row: Sample(row, tuple(ap)) for row, ap in values.items()}


def test_standard_error_is_of_the_common_variance():
    """Deviations .01, .02 of three runs each: variance .00025, error sqrt(.00025 (1/3 + 1/3))."""
    one, other = Sample("a", (0.29, 0.30, 0.31)), Sample("b", (0.18, 0.20, 0.22))
    assert standard_error(one, other) == pytest.approx(math.sqrt(0.00025 * 2 / 3))
    alone = Sample("c", (0.1,))
    assert standard_error(one, alone) == pytest.approx(0.01 * math.sqrt(4 / 3))
    assert math.isnan(standard_error(alone, alone))


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        ((0.30, 0.31, 0.32), (0.20, 0.21, 0.22), HOLDS),
        ((0.20, 0.21, 0.22), (0.30, 0.31, 0.32), FAILS),
        ((0.30, 0.31, 0.32), (0.295, 0.305, 0.315), NOISE),
        ((0.30,), (0.10,), ONE_SEED),  # which says nothing of the noise
    ],
)
def test_better_is_more_than_two_standard_errors(better, worse, verdict):
    found, words = is_better(("a",), ("b",))(samples(a=better, b=worse))
    assert found == verdict
    assert words.startswith(f"a {100 * sum(better) / len(better):.1f}")


def test_the_best_of_several_rows_counts():
    runs = samples(a=(0.1, 0.1), b=(0.30, 0.31), c=(0.2, 0.21))
    _, words = is_better(("a", "b"), ("c",))(runs)
    assert words.startswith("b 30.5 ± 0.7 against c 20.5")


@pytest.mark.parametrize(
    ("last", "verdict"), [((0.300, 0.302), HOLDS), ((0.34, 0.36), HOLDS), ((0.40, 0.402), FAILS)]
)
def test_alike_is_within_noise_or_a_fiftieth(last, verdict):
    """The second differs by much, with as much noise."""
    first = (0.300, 0.303) if last[0] != 0.34 else (0.28, 0.34)
    assert are_alike(("a", "b"))(samples(a=first, b=last))[0] == verdict


def test_one_seed_each_is_no_verdict_on_rows_that_should_be_alike():
    verdict, words = are_alike(("a", "b"))(samples(a=(0.1,), b=(0.3,)))
    assert verdict == ONE_SEED
    assert words == "a 10.0, b 30.0: +20.0 from lowest to highest"


def test_a_row_that_was_not_run_leaves_a_claim_open():
    for claim in CLAIMS:
        assert claim.judge({}) == (UNKNOWN, "")
    assert are_alike(("a", "b"))(samples(a=(0.1, 0.2)))[0] == UNKNOWN


def test_claims_are_about_rows_that_are_shipped():
    runs = {row: Sample(row, (0.1, 0.2, 0.3)) for row in rows_in(MINI)}
    for claim in CLAIMS:
        assert claim.judge(runs)[0] != UNKNOWN
    only_claimed = {row: runs[row] for row in CLAIMED}
    for claim in CLAIMS:
        assert claim.judge(only_claimed)[0] != UNKNOWN


def test_the_best_of_some_rows_is_not_taken_for_the_best_of_all():
    _, words = is_better(("a", "b", "c"), ("d",))(samples(a=(0.3, 0.31), b=(0.2,), d=(0.1, 0.11)))
    assert words.startswith("a 30.5 ± 0.7 (of 2 of 3 rows) against d 10.5 ± 0.7:")
