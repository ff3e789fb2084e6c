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
    with pytest.raises(UserError, match="rows.json is expected to be the comparison.json"):
        read_rows(tmp_path / "rows.json")
