from dataclasses import replace

import pytest

from retina_plugin.analysis.comparison.rows import MEASURED, Row, read_rows, write_rows
from retina_plugin.errors import UserError

ROW = Row("a", MEASURED, "pcb 01", {"AP": 50.0}, 12.5, "here", 3, 4, 5, "note")


def test_rows_are_read_as_they_were_written(tmp_path):
    write_rows([ROW, ROW], tmp_path / "rows.json")
    assert read_rows(tmp_path / "rows.json") == [ROW, ROW]


@pytest.mark.parametrize("content", [None, "", "{}x", '[{"model": "a"}]', "[1]", "3"])
def test_another_file_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "rows.json").write_text(content)
    with pytest.raises(UserError, match="rows.json holds no comparison of tools/compare.py"):
        read_rows(tmp_path / "rows.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": {"AP": 4000.0}}, "a has AP 4000"),
        ({"metrics": {"AP": -0.5}}, "a has AP -0.5"),
        ({"milliseconds": -5.0}, "a has -5 ms an image"),
        ({"source": "guessed"}, "a has source guessed, not one of measured, metafile, published"),
    ],
)
def test_numbers_that_cannot_be_are_named(tmp_path, changes, said):
    write_rows([replace(ROW, **changes)], tmp_path / "rows.json")
    with pytest.raises(UserError, match=f"rows.json holds no comparison .*: {said}"):
        read_rows(tmp_path / "rows.json")


def test_no_objects_of_a_size_are_no_mistake(tmp_path):
    rows = [replace(ROW, metrics={"AP": 50.0, "APL": -1})]
    write_rows(rows, tmp_path / "rows.json")
    assert read_rows(tmp_path / "rows.json") == rows
