"""The table of tried versions is what the test runs wrote."""

import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from retina_plugin.analysis.compatibility import main, table
from retina_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
REPORT = """<testsuites><testsuite tests="12" failures="2" errors="1" skipped="4"/></testsuites>"""


@pytest.fixture
def run(tmp_path):
    """What a run in this environment writes."""
    (tmp_path / "report.xml").write_text(REPORT)
    folder = tmp_path / "results"
    folder.mkdir()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n")
    main(*map(str, (tmp_path / "report.xml", folder / "here.json", page)))
    return folder


def test_a_report_becomes_numbers_and_the_versions_of_its_environment(run):
    content = json.loads((run / "here.json").read_text())
    assert (content["passed"], content["failed"], content["skipped"]) == (5, 3, 4)
    assert (
        content["torch"] == torch.__version__.split("+")[0] or content["torch"] == torch.__version__
    )
    assert content["numpy"] == np.__version__
    assert content["python"] == platform.python_version()
    assert content["mmcv"].split()[-1][0].isdigit()


def test_the_page_keeps_what_stands_around_the_table(run):
    page = (run.parent / "page.md").read_text()
    assert page == f"before\n<!-- table -->\n{table(run)}<!-- end of table -->\nafter\n"


def test_rows_stand_in_the_order_of_versions_not_of_letters(run):
    content = json.loads((run / "here.json").read_text())
    for name, version in (("a", "2.13.0"), ("b", "2.4.1"), ("c", "2.8.0")):
        (run / f"{name}.json").write_text(json.dumps({**content, "torch": version}))
    (run / "here.json").unlink()
    rows = table(run).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 2.4.1", "| 2.8.0", "| 2.13.0"]


def test_a_file_that_is_no_run_is_named(run):
    (run / "other.json").write_text('{"torch": 2}')
    with pytest.raises(UserError, match=r"other.json holds no run of the tests"):
        table(run)


def test_the_page_shows_the_kept_runs():
    page = (ROOT / "docs" / "compatibility.md").read_text()
    assert table(ROOT / "docs" / "results" / "matrix") in page


def test_all_kept_runs_passed():
    for path in (ROOT / "docs" / "results" / "matrix").glob("*.json"):
        assert json.loads(path.read_text())["failed"] == 0, path.name
