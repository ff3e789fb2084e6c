from pathlib import Path

import pytest

from retina_plugin.analysis.reproduction.plan import (
    CLAIMED,
    digests_of,
    groups_of,
    planned,
    rows_in,
)
from retina_plugin.errors import UserError

MINI = Path(__file__).parents[3] / "configs" / "ablations" / "mini"


@pytest.fixture
def digests(tmp_path):
    """Of four rows; b and c train the same."""
    for name, alpha in (("a", 1), ("b", 2), ("c", 2), ("d", 4)):
        (tmp_path / f"mini_{name}.py").write_text(f"alpha = {alpha}\n")
    return digests_of(rows_in(tmp_path))


def test_rows_that_train_the_same_are_trained_once(digests):
    assert groups_of(digests) == [["a"], ["b", "c"], ["d"]]
    assert [run.name for run in planned(digests, [], 1)] == ["a_seed0", "b_seed0", "d_seed0"]
    (run,) = planned(digests, ["c"], 1)
    assert (run.row, run.same) == ("b", ("c",))


def test_every_row_comes_once_before_the_second_seed_of_any(digests):
    seeds = [run.seed for run in planned(digests, [], 3)]
    assert seeds == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_rows_of_a_claim_have_three_seeds(digests, monkeypatch):
    monkeypatch.setattr("retina_plugin.analysis.reproduction.plan.CLAIMED", ("c",))
    count = dict.fromkeys(digests, 0)
    for run in planned(digests, [], None):
        count[run.row] += 1
    assert count == {"a": 1, "b": 3, "c": 0, "d": 1}


def test_an_unknown_row_or_folder_is_an_error(digests, tmp_path):
    with pytest.raises(UserError, match="there is no row e: choose from a, b, c, d"):
        planned(digests, ["e"], None)
    with pytest.raises(UserError, match="there are no configs in"):
        rows_in(tmp_path / "nowhere")


def test_shipped_rows_hold_every_claim_and_share_what_is_equal():
    digests = digests_of(rows_in(MINI))
    assert set(CLAIMED) <= digests.keys()
    together = {frozenset(group) for group in groups_of(digests) if len(group) > 1}
    assert together == {
        frozenset({"appendix_ce", "table1a_alpha0p75", "table1b_gamma0"}),
        frozenset({"appendix_fl", "table1b_gamma2", "table1c_scales3_ratios3", "table1d_fl"}),
    }
