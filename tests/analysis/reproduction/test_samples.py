import math
import statistics

import numpy as np
import pytest

from retina_plugin.analysis.reproduction.samples import (
    Difference,
    Sample,
    best,
    difference,
    mean_and_spread,
    noise_of,
)


def sample(row, *values):
    return Sample(row, dict(enumerate(values)))


def test_mean_and_spread_are_over_the_seeds():
    found = Sample("a", {2: 0.3, 0: 0.1, 1: 0.2})
    assert found.values == [0.1, 0.2, 0.3]
    assert mean_and_spread(found) == "20.0 ± 10.0"
    assert mean_and_spread(sample("a", 0.1)) == "10.0"
    assert math.isnan(sample("a", 0.1).spread)


def test_what_a_seed_does_to_all_rows_is_no_noise():
    """Seed 1 takes 0.1 from both; what is left of the differences is 0.01 and 0.03."""
    one, other = sample("a", 0.31, 0.23), sample("b", 0.30, 0.20)
    noise = noise_of([one, other])
    assert noise == pytest.approx(statistics.stdev([0.01, 0.03]))
    found = difference(one, other, noise)
    assert found.gap == pytest.approx(0.02)
    assert found.error == pytest.approx(noise / math.sqrt(2))


def test_rows_are_compared_on_the_seeds_that_both_have():
    """Seed 0 alone is common: its luck must not count for one of them."""
    found = difference(sample("a", 0.30), sample("b", 0.31, 0.21, 0.20), 0.02)
    assert (found.gap, found.error) == (pytest.approx(-0.01), 0.02)


def test_without_a_common_seed_the_error_is_not_known():
    found = difference(Sample("a", {5: 0.3}), Sample("b", {7: 0.1}), 0.02)
    assert found.gap == pytest.approx(0.2)
    assert math.isnan(found.error)
    assert found.words() == "+20.0"
    assert Difference(-0.011, 0.02).words() == "-1.1 ± 2.0"


def test_noise_is_pooled_over_pairs_of_rows_and_over_folders():
    """Two pairs with variances .0002 (one degree of freedom) and .0001 (two)."""
    first = [sample("a", 0.2, 0.2), sample("b", 0.20, 0.22)]
    second = [sample("a", 0.3, 0.3, 0.3), sample("b", 0.31, 0.30, 0.29)]
    assert noise_of(first) ** 2 == pytest.approx(0.0002)
    assert noise_of(second) ** 2 == pytest.approx(0.0001)
    assert noise_of(first, second) ** 2 == pytest.approx((0.0002 + 2 * 0.0001) / 3)


def test_noise_is_that_of_the_runs_whatever_rows_and_seeds_do():
    """Rows of 20 runs: a row's and a seed's own part do not count; a difference has two runs'."""
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 0.05, 20)
    rows = [
        sample(str(row), *(0.3 + row / 50 + seeds + rng.normal(0, 0.01, 20))) for row in range(8)
    ]
    assert noise_of(rows) == pytest.approx(0.01 * math.sqrt(2), rel=0.15)


def test_one_training_under_several_names_does_not_hide_the_noise():
    one, other = sample("a", 0.2, 0.2), sample("b", 0.20, 0.22)
    assert noise_of([one, Sample("c", one.by_seed), other]) == noise_of([one, other])


def test_a_divergence_is_no_noise_of_other_rows():
    """One that counts as 0 would make every difference of the others look like noise."""
    one, other = sample("a", 0.2, 0.2, 0.2), sample("b", 0.20, 0.22, 0.2)
    stopped = Sample("c", {0: 0.3, 1: 0.0, 2: 0.31}, frozenset({1}))
    finished = Sample("c", {0: 0.3, 2: 0.31})
    assert noise_of([one, other, stopped]) == noise_of([one, other, finished])
    assert difference(one, stopped, 0.0).gap == pytest.approx(0.2 - 0.61 / 3)
    dead = Sample("d", {0: 0.0, 1: 0.0, 2: 0.0}, frozenset({0, 1, 2}))
    assert noise_of([one, other, dead]) == noise_of([one, other])


def test_noise_needs_two_rows_with_two_common_seeds():
    assert math.isnan(noise_of([]))
    assert math.isnan(noise_of([sample("a", 0.1, 0.2), sample("b", 0.1)]))
    assert math.isnan(noise_of([sample("a", 0.1, 0.2)], [sample("b", 0.1, 0.3)]))


def test_the_best_is_one_with_the_most_seeds():
    rows = {each.row: each for each in (sample("a", 0.2, 0.2), sample("b", 0.9), sample("c", 0, 0))}
    assert best(("a", "b", "c"), rows).row == "a"
    assert best(("b",), rows).row == "b"
    assert best(("d",), rows) is None
