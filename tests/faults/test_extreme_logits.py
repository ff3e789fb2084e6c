from retina_plugin.faults.extreme_logits import ROWS


def test_loss_and_gradient_are_finite():
    outcome = ROWS[0].ours(ROWS[0].trials)
    assert outcome.passed, outcome.failures
    assert outcome.trials == ROWS[0].trials


def test_stock_is_measured_by_its_own_loss():
    outcome = ROWS[0].stock(ROWS[0].stock_trials)
    assert not outcome.passed
    assert any("gamma 0.5" in failure for failure in outcome.failures)
