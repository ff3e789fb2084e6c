from pathlib import Path

import pytest

from retina_plugin.analysis.reproduction.plan import (
    CLAIMED,
    groups_of,
    planned,
    rows_in,
    settings_of,
)
from retina_plugin.errors import UserError

MINI = Path(__file__).parents[3] / "configs" / "ablations" / "mini"


@pytest.fixture
def settings(tmp_path):
    """Of four rows; b and c train the same."""
    for name, alpha in (("a", 1), ("b", 2), ("c", 2), ("d", 4)):
        (tmp_path / f"mini_{name}.py").write_text(f"alpha = {alpha}\n")
    return settings_of(rows_in(tmp_path))


def test_rows_that_train_the_same_are_trained_once(settings):
    assert groups_of(settings) == [["a"], ["b", "c"], ["d"]]
    assert [run.name for run in planned(settings, [], 1)] == ["a_seed0", "b_seed0", "d_seed0"]
    (run,) = planned(settings, ["c"], 1)
    assert (run.row, run.same) == ("b", ("c",))


def test_every_row_comes_once_before_the_second_seed_of_any(settings):
    seeds = [run.seed for run in planned(settings, [], 3)]
    assert seeds == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_rows_of_a_claim_have_three_seeds(settings, monkeypatch):
    monkeypatch.setattr("retina_plugin.analysis.reproduction.plan.CLAIMED", ("c",))
    count = dict.fromkeys(settings, 0)
    for run in planned(settings, [], None):
        count[run.row] += 1
    assert count == {"a": 1, "b": 3, "c": 0, "d": 1}


def test_an_unknown_row_or_folder_is_an_error(settings, tmp_path):
    with pytest.raises(UserError, match="there is no row e: choose from a, b, c, d"):
        planned(settings, ["e"], None)
    with pytest.raises(UserError, match="there are no configs in"):
        rows_in(tmp_path / "nowhere")


def test_shipped_rows_hold_every_claim_and_share_what_is_equal():
    settings = settings_of(rows_in(MINI))
    assert set(CLAIMED) <= settings.keys()
    together = {frozenset(group) for group in groups_of(settings) if len(group) > 1}
    assert together == {
        frozenset({"appendix_ce", "table1a_alpha0p75", "table1b_gamma0"}),
        frozenset({"appendix_fl", "table1b_gamma2", "table1c_scales3_ratios3", "table1d_fl"}),
    }
