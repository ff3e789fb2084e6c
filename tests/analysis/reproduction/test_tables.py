import math
from dataclasses import replace
from pathlib import Path

import pytest

from retina_plugin.analysis.reproduction.blocks import BLOCKS
from retina_plugin.analysis.reproduction.results import Finished, write
from retina_plugin.analysis.reproduction.samples import Sample
from retina_plugin.analysis.reproduction.tables import (
    borrowed,
    ordering,
    table,
    tables,
)
from retina_plugin.analysis.reproduction.work_dirs import LeftOut
from retina_plugin.errors import UserError

TO_BASE = "AP - baseline"
MINI = Path(__file__).parents[3] / "configs" / "ablations" / "mini"

CONFIGS = MINI.parents[1]
RUN = Finished("table1b_gamma2", 0, 450, "pcb 01", "", {"AP": 0.2, "AP50": 0.5, "AP75": 0.1}, 300.0)
OTHER = replace(RUN, row="table1a_alpha0p75", metrics={"AP": 0.1, "AP50": 0.3, "AP75": 0.0})
DIVERGED = replace(RUN, row="section5_ce_usual_init", ended="was not finite", metrics={})


def cells(shown, title, row):
    (block,) = (each for each in shown if title in each.title)
    (found,) = (cells for cells in block.rows if cells[0] == row)
    return dict(zip(block.columns, found, strict=True))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for run in (RUN, replace(RUN, seed=1, metrics={**RUN.metrics, "AP": 0.22}), OTHER, DIVERGED):
        write(run, folder)
    return tables(CONFIGS, folder).tables


def test_mean_and_spread_stand_beside_the_papers_numbers(shown):
    found = cells(shown, "Table 1b", "gamma2")
    assert found["paper AP / AP50 / AP75"] == "34.0 / 52.5 / 36.5"
    assert found["AP"] == "21.0 ± 1.4"
    assert found["AP50"] == "50.0 ± 0.0"
    assert found["seeds"] == "2"


def test_rows_that_share_a_run_all_show_it(shown):
    assert cells(shown, "Table 1c", "scales3_ratios3")["AP"] == "21.0 ± 1.4"
    assert cells(shown, "Table 1d", "fl")["AP"] == "21.0 ± 1.4"
    assert cells(shown, "Appendix", "ce")["AP"] == "10.0"
    (block,) = (each for each in shown if "Table 1d" in each.title)
    assert "Trained once for several tables: fl is table1b_gamma2." in block.note
    assert borrowed(["a", "c"], [["a", "b"], ["c"]], BLOCKS[0]) == ""


def test_difference_is_to_the_baseline_of_the_table(shown):
    """On the seed that both have: 20 less 10; and no two rows have two seeds, to tell the noise."""
    assert cells(shown, "Appendix", "fl")[TO_BASE] == "+10.0"
    assert cells(shown, "Appendix", "ce")[TO_BASE] == "baseline"
    assert cells(shown, "Table 1b", "gamma2")[TO_BASE] == "+10.0"  # gamma 0 is alpha-CE
    assert cells(shown, "Table 1c", "scales3_ratios3")[TO_BASE] == ""  # 1x1 was not run


def test_what_was_not_run_or_diverged_is_said(shown):
    assert cells(shown, "Table 1a", "alpha0p10")["AP"] == "not run"
    assert cells(shown, "Section 5.1", "ce_usual_init")["seeds"] == "1, 1 diverged"


def test_one_training_under_two_names_does_not_count_twice(tmp_path):
    write(OTHER, tmp_path)
    write(replace(OTHER, row="table1b_gamma0"), tmp_path)
    message = "table1b_gamma0_seed0.json is the same training as table1a_alpha0p75_seed0.json"
    with pytest.raises(UserError, match=message):
        tables(CONFIGS, tmp_path)


def test_a_run_of_no_row_is_named(tmp_path):
    write(replace(RUN, row="table1b_gamma3"), tmp_path)
    with pytest.raises(
        UserError, match="table1b_gamma3_seed0.json: there is no row table1b_gamma3"
    ):
        tables(CONFIGS, tmp_path)


def test_runs_of_other_data_are_never_averaged(tmp_path):
    write(RUN, tmp_path)
    write(replace(RUN, seed=1, data="other 02"), tmp_path)
    with pytest.raises(UserError, match="runs that differ are not compared"):
        tables(CONFIGS, tmp_path)


def test_what_an_experiment_changed_is_said_above_its_tables(tmp_path):
    write(replace(RUN, options=["a=1", "b=2"]), tmp_path)
    assert "All were trained with a=1, b=2." in tables(CONFIGS, tmp_path).intro
    write(RUN, tmp_path)
    assert "All were trained" not in tables(CONFIGS, tmp_path).intro


def test_every_row_of_the_miniature_is_in_a_table(shown):
    titles = {cells[0] for each in shown for cells in each.rows}
    rows = {path.stem.removeprefix("mini_").partition("_")[2] for path in MINI.glob("mini_*.py")}
    assert rows <= titles


def test_ordering_counts_pairs():
    """Paper: a < b < c. Measured: a < c < b, with a and c within noise."""
    samples = {
        row: Sample(row, dict(enumerate(ap)))
        for row, ap in {"a": (0.10, 0.14), "b": (0.3, 0.3), "c": (0.12, 0.14)}.items()
    }
    text = ordering(samples, {"a": 1.0, "b": 2.0, "c": 3.0}, 0.02)
    assert text == (
        "Pairs of rows in the paper's order: 1 of 3; in the other: 1; equal or within noise: 1."
    )
    assert ordering({}, {}, 0.02) == ""


def test_ordering_says_where_it_does_not_know_the_noise():
    samples = {"a": Sample("a", {0: 0.1}), "b": Sample("b", {0: 0.3})}
    text = ordering(samples, {"a": 1.0, "b": 2.0}, math.nan)
    assert text.endswith(
        "order: 1 of 1; in the other: 0; equal or within noise: 0 (of 1 the noise is not known)."
    )


def test_work_dirs_are_shown_with_those_that_are_left_out(tmp_path, monkeypatch):
    out = [LeftOut("table1b_gamma2", "it is unfinished"), LeftOut("table1b_gamma1", "it is empty")]
    monkeypatch.setattr(
        "retina_plugin.analysis.reproduction.tables.read_work_dirs", lambda *_: ([RUN], out)
    )
    page = tables(CONFIGS, tmp_path)
    assert page.intro.startswith("Measured is what the work dirs hold, evaluated on pcb 01.")
    shown = page.tables
    assert cells(shown, "Table 1b", "gamma2")["seeds"] == "1, 1 left out"
    assert cells(shown, "Table 1b", "gamma1")["AP"] == "left out"
    assert cells(shown, "Table 1e", "r50_400")["paper AP / AP50 / AP75"] == "30.5 / 47.8 / 32.7"
    (block,) = (each for each in shown if "Table 1b" in each.title)
    assert block.note.splitlines() == ["Left out: it is unfinished.", "Left out: it is empty."]


def test_terminal_markdown_and_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    write(RUN, tmp_path)
    files = {"markdown": tmp_path / "t.md", "html": tmp_path / "t.html"}
    assert table(configs=CONFIGS, results=tmp_path, **files) == 0
    assert "34.0 / 52.5 / 36.5" in capsys.readouterr().out
    text = files["markdown"].read_text()
    assert "### Table 1b" in text
    assert "| gamma2" in text
    page = files["html"].read_text()
    assert "<td>34.0 / 52.5 / 36.5</td>" in page
    assert page.count("<table>") == 9
    for shown in (text, page):
        assert "450 iterations on crops, of the data pcb 01" in shown


def test_an_empty_folder_is_a_sentence(tmp_path, capsys):
    assert table(configs=CONFIGS, results=tmp_path, markdown=None, html=None) == 1
    assert "holds no runs" in capsys.readouterr().err


def test_an_order_that_the_paper_does_not_have_counts_for_nothing():
    samples = {row: Sample(row, {0: ap}) for row, ap in {"a": 0.1, "b": 0.3}.items()}
    assert ordering(samples, {"a": 31.1, "b": 31.1}, 0.02) == ""


def test_both_files_at_once_are_two(tmp_path, capsys):
    write(RUN, tmp_path)
    same = tmp_path / "new" / "t.md"
    assert table(configs=CONFIGS, results=tmp_path, markdown=same, html=same) == 1
    assert "name two files" in capsys.readouterr().err
    assert table(configs=CONFIGS, results=tmp_path, markdown=same, html=None) == 0
    assert same.exists()  # with its folder
