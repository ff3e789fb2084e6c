"""The benchmark leaves a table, figures and a picture."""

import json
import re

import pytest
import torch

from retina_plugin.analysis.benchmark.benchmark import benchmark, table_of
from retina_plugin.analysis.benchmark.rows import Row
from retina_plugin.analysis.benchmark.setting import Setting
from retina_plugin.analysis.timing import Measured

ARGUMENTS = {
    "height": 64,
    "width": 64,
    "batch": 1,
    "classes": 3,
    "gts": 2,
    "depth": 18,
    "images": 3,
    "candidates": 30,
    "device": "cpu",
    "repeats": 1,
    "vary": None,
    "values": None,
}


@pytest.mark.slow
def test_stages_leave_figures_and_a_plot(tmp_path, capsys):
    assert benchmark(stages=["loss", "assignment"], out=tmp_path, **ARGUMENTS) == 0
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["stage"] for row in content["rows"]] == ["loss", "assignment"]
    assert content["rows"][0]["cases"]["stock"]["median"] > 0
    assert set(content["ours runs"]) == {"loss", "targets", "convolutions", "precision"}
    assert content["machine"]["threads"] == torch.get_num_threads()
    assert (tmp_path / "benchmark.png").stat().st_size > 5000
    assert "stock / it" in capsys.readouterr().out


@pytest.mark.slow
def test_a_size_can_vary(tmp_path):
    varied = {**ARGUMENTS, "vary": "gts", "values": [1, 4]}
    assert benchmark(stages=["assignment"], out=tmp_path, **varied) == 0
    rows = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    assert [row["setting"]["gts"] for row in rows] == [1, 4]


def test_table_gives_ratios_of_medians():
    measured = {"stock": Measured(0.6, 0.5, 0.7, 1 << 20), "ours": Measured(0.2, 0.1, 0.3, 0)}
    table = table_of(Row("loss", Setting(), measured, limit=0.05))
    assert list(table.columns[3].cells) == ["1.00", "3.00"]
    assert list(table.columns[4].cells) == ["1.0 MiB", "0.0 MiB"]
    assert "the machine needs at least 50.00 ms" in table.caption


def test_ratio_and_memory_that_were_not_measured_are_a_dash():
    table = table_of(Row("evaluation", Setting(), {"ours": Measured(1, 1, 1, None)}, None))
    assert [list(column.cells) for column in table.columns[3:]] == [["-"], ["-"]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repeats": 0}, "--repeats expects a number above 0"),
        ({"depth": 34}, "expects depth to be one of"),
        ({"height": 0}, "expects height to be a whole number >= 1"),
        ({"gts": -1}, "expects gts to be a whole number >= 0"),
        ({"vary": "classes", "values": [3, 0]}, "expects classes to be"),
    ],
)
def test_a_size_that_is_none_is_said_before_anything_is_measured(options, said, tmp_path, capsys):
    out = tmp_path / "out"
    assert benchmark(stages=["loss"], out=out, **{**ARGUMENTS, **options}) == 1
    assert re.search(said, capsys.readouterr().err)
    assert not out.exists()


@pytest.mark.slow
def test_a_measurement_without_boxes_is_kept(tmp_path):
    varied = {**ARGUMENTS, "vary": "gts", "values": [0, 2]}
    assert benchmark(stages=["assignment"], out=tmp_path, **varied) == 0
    assert len(json.loads((tmp_path / "benchmark.json").read_text())["rows"]) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_an_error(tmp_path, capsys):
    assert benchmark(stages=["loss"], out=tmp_path, **{**ARGUMENTS, "device": "cuda"}) == 1
    assert "PyTorch finds no GPU here" in capsys.readouterr().err
