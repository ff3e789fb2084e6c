import pytest

from retina_plugin.faults.bad_losses import ROWS

pytestmark = [
    pytest.mark.slow,
    # MMEngine's schedules step in each iteration, also while gradients accumulate.
    pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step"),
]


def test_nothing_that_is_not_finite_reaches_a_weight():
    outcome = ROWS[0].ours(12)
    assert outcome.passed, outcome.failures


def test_stock_trains_on():
    outcome = ROWS[0].stock(2)
    assert outcome.good == 0
    assert "exit code 0" in outcome.failures[0]
