"""A few of the trials of tools/torture.py; the table has hundreds."""

import pytest

from retina_plugin.faults import instants, kills
from retina_plugin.faults.tiny_training import in_forks, tiny_config, write_data

pytestmark = pytest.mark.slow


def test_kills_at_some_steps_change_no_tensor():
    outcome = kills.kill_trials(4)
    assert outcome.passed, outcome.failures
    assert outcome.trials == 4


def test_a_whole_checkpoint_is_there_at_every_instant_and_on_a_full_disk():
    outcome = instants.disk_trials(9)
    assert outcome.passed, outcome.failures
    assert "full disk" in outcome.note


def test_stock_is_without_a_checkpoint_at_some_instant():
    assert not instants.disk_trials(60, stock=True).passed


def test_a_training_that_draws_something_else_is_told_apart(tmp_path):
    """The comparison would see a difference."""
    data = write_data(tmp_path / "data")
    cfg = tiny_config(data, tmp_path / "a", train_cfg__max_epochs=1)
    other = tiny_config(data, tmp_path / "b", train_cfg__max_epochs=1, randomness__seed=1)
    assert [kills.wait(kills.started(each)) for each in (cfg, other)] == [0, 0]
    one, two = (kills._final(tmp_path / name) for name in "ab")
    assert one.keys() == two.keys()
    assert not all(kills._equal(one[key], two[key]) for key in one)


def test_a_trial_that_dies_is_no_good_trial():
    assert in_forks([lambda: None, lambda: 1 / 0]) == [None, "it died with 1"]
