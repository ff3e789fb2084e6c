from dataclasses import replace
from pathlib import Path

import pytest

from retina_plugin.analysis.reproduction.experiment import before_and_after, experiment
from retina_plugin.analysis.reproduction.results import Finished, write
from retina_plugin.errors import UserError

CONFIGS = Path(__file__).parents[3] / "configs"
CROPS = "batch_size=8"
FOCAL = Finished(
    "table1b_gamma2", 0, 600, "pcb 01", "", {"AP": 0.20, "AP50": 0.5, "AP75": 0.1}, 300.0
)
BALANCED = replace(FOCAL, row="table1a_alpha0p75")


def written(folder, run, *aps, **changes):
    """A run for each seed, with its AP."""
    folder.mkdir(exist_ok=True)
    for seed, ap in enumerate(aps):
        metrics = {**run.metrics, "AP": ap}
        write(replace(run, seed=seed, metrics=metrics, **changes), folder)


@pytest.fixture
def folders(tmp_path):
    """Focal loss is the worse before and the better after the crops have changed."""
    before, after = tmp_path / "before", tmp_path / "after"
    written(before, FOCAL, 0.20, 0.22)
    written(before, BALANCED, 0.30, 0.32)
    written(before, replace(FOCAL, row="table1a_alpha0p50"), 0.4)
    written(after, FOCAL, 0.40, 0.42, options=[CROPS])
    written(after, BALANCED, 0.30, 0.32, options=[CROPS])
    return before, after


def test_each_seed_is_shown_with_the_change_and_its_error(folders):
    rows, _ = before_and_after(CONFIGS, *folders)
    assert rows.title == "Changed: batch_size=8"
    assert ("table1b_gamma2", "20.0, 22.0", "21.0 ± 1.4", "40.0, 42.0", "41.0 ± 1.4") in [
        cells[:5] for cells in rows.rows
    ]
    # Focal and balanced differ by equally much on both seeds: the noise is 0.
    assert [cells[5] for cells in rows.rows] == ["+0.0 ± 0.0", "+20.0 ± 0.0"]


def test_claims_are_judged_by_the_rows_that_both_have(folders):
    """The best alpha of before, 0.5, was not trained after: it must not count there either."""
    _, claims = before_and_after(CONFIGS, *folders)
    (cells,) = (each for each in claims.rows if each[0].startswith("Focal loss, gamma 2"))
    assert "alpha0p75 31.0" in cells[1]
    assert (cells[2], cells[4]) == ("does not hold", "holds")
    assert all("OHEM" not in each[0] for each in claims.rows)


def test_a_row_of_the_experiment_alone_is_shown_without_a_change(folders):
    before, after = folders
    written(after, replace(FOCAL, row="table1b_gamma5"), 0.1, options=[CROPS])
    rows, _ = before_and_after(CONFIGS, before, after)
    assert ("table1b_gamma5", "not run", "", "10.0", "10.0", "") in rows.rows


def test_seeds_stand_in_their_order_and_a_table_of_no_claims_is_left_out(tmp_path):
    """As names of files seed 10 is before seed 2."""
    aps = [seed / 100 for seed in range(12)]
    written(tmp_path / "before", FOCAL, 0.2)
    written(tmp_path / "after", FOCAL, *aps, options=[CROPS])
    (rows,) = before_and_after(CONFIGS, tmp_path / "before", tmp_path / "after")
    assert rows.rows[0][3] == ", ".join(f"{100 * ap:.1f}" for ap in aps)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iterations": 1200}, "1200 iterations instead of 600"),
        ({"options": ["a=1", "b=2"]}, "a=1, b=2"),
        ({"iterations": 1200, "options": ["a=1"]}, "1200 iterations instead of 600, a=1"),
    ],
)
def test_what_has_changed_is_the_title(tmp_path, changes, said):
    written(tmp_path / "before", FOCAL, 0.2)
    written(tmp_path / "after", FOCAL, 0.2, **changes)
    (rows,) = before_and_after(CONFIGS, tmp_path / "before", tmp_path / "after")
    assert rows.title == f"Changed: {said}"


def test_an_option_that_was_taken_back_is_a_change(tmp_path):
    written(tmp_path / "before", FOCAL, 0.2, options=["a=1"])
    written(tmp_path / "after", FOCAL, 0.2)
    (rows,) = before_and_after(CONFIGS, tmp_path / "before", tmp_path / "after")
    assert rows.title == "Changed: without a=1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "have equal iterations and options"),
        ({"data": "other 02"}, "is of pcb 01, .* of other"),
    ],
)
def test_folders_that_are_no_experiment_are_a_sentence(tmp_path, changes, said):
    written(tmp_path / "before", FOCAL, 0.2)
    written(tmp_path / "after", FOCAL, 0.2, **changes)
    with pytest.raises(UserError, match=said):
        before_and_after(CONFIGS, tmp_path / "before", tmp_path / "after")


def test_terminal_and_files(folders, tmp_path, capsys):
    before, after = folders
    files = {"markdown": tmp_path / "e.md", "html": tmp_path / "e.html"}
    assert experiment(configs=CONFIGS, before=before, after=after, **files) == 0
    assert "20.0, 22.0" in capsys.readouterr().out
    assert "### Changed: batch_size=8" in files["markdown"].read_text()
    assert "<h1>RetinaNet, one thing changed</h1>" in files["html"].read_text()


def test_a_folder_without_runs_is_named(tmp_path, capsys):
    folders = {"before": tmp_path, "after": tmp_path / "none"}
    assert experiment(configs=CONFIGS, markdown=None, html=None, **folders) == 1
    assert f"{tmp_path} holds no runs of tools/reproduce.py mini" in capsys.readouterr().err
