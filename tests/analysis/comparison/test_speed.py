from dataclasses import replace
from pathlib import Path

import pytest

from retina_plugin.analysis.comparison import speed as module
from retina_plugin.analysis.comparison.rows import MEASURED, Row, write_rows
from retina_plugin.analysis.comparison.speed import speed

CONFIGS = Path(__file__).parents[3] / "configs"
ROW = Row("mine", MEASURED, "pcb 01", {"AP": 50.0}, 12.5, "here")


@pytest.fixture
def drawn(monkeypatch):
    found = []
    monkeypatch.setattr(module, "plot", lambda rows, _: found.extend(rows))
    return found


def test_models_that_were_compared_join_the_papers(drawn, tmp_path):
    write_rows([ROW], tmp_path / "comparison.json")
    assert speed(comparisons=[tmp_path / "comparison.json"], configs=CONFIGS, out=tmp_path) == 0
    assert [row.model for row in drawn][:2] == ["mine", "table1e_r50_400"]
    assert len(drawn) == 23


def test_a_comparison_that_has_the_papers_points_has_them_once(drawn, tmp_path):
    speed(comparisons=[], configs=CONFIGS, out=tmp_path)
    write_rows([ROW, *drawn], tmp_path / "comparison.json")
    count = len(drawn)
    drawn.clear()
    speed(comparisons=[tmp_path / "comparison.json"], configs=CONFIGS, out=tmp_path)
    assert len(drawn) == count + 1


def test_what_two_comparisons_have_is_drawn_once(drawn, tmp_path):
    speed(comparisons=[], configs=CONFIGS, out=tmp_path)
    names = [tmp_path / "a.json", tmp_path / "b.json"]
    for name in names:
        write_rows([replace(ROW, model=name.stem), *drawn], name)
    count = len(drawn)
    drawn.clear()
    speed(comparisons=names, configs=CONFIGS, out=tmp_path)
    assert len(drawn) == count + 2


def test_figure_2_is_drawn_without_any_measurement(tmp_path, capsys):
    assert speed(comparisons=[], configs=CONFIGS, out=tmp_path) == 0
    assert (tmp_path / "figure2_speed.png").stat().st_size > 4000
    assert "figure 2 is in" in capsys.readouterr().out


def test_a_missing_file_is_a_sentence(tmp_path, capsys):
    assert speed(comparisons=["gone.json"], configs=CONFIGS, out=tmp_path) == 1
    assert "gone.json holds no comparison of tools/compare.py" in capsys.readouterr().err


def test_a_model_that_cannot_be_drawn_is_said(drawn, tmp_path, capsys):
    write_rows([ROW, replace(ROW, model="new", metrics={})], tmp_path / "comparison.json")
    speed(comparisons=[tmp_path / "comparison.json"], configs=CONFIGS, out=tmp_path)
    said = capsys.readouterr().out
    assert "new on pcb 01 is not drawn, as its AP or its time is not known." in said
    assert "mine" not in said


def test_a_comparison_without_models_is_said(drawn, tmp_path, capsys):
    write_rows([], tmp_path / "comparison.json")
    speed(comparisons=[tmp_path / "comparison.json"], configs=CONFIGS, out=tmp_path)
    assert f"{tmp_path / 'comparison.json'} holds no models." in capsys.readouterr().out
    assert len(drawn) == 22
