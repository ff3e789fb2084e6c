import json

import pytest

from retina_plugin.faults.row import Row, tally
from retina_plugin.faults.torture import chosen, torture, tried


def row(name, results, quick=0):
    return Row(name, "a trial", lambda count: tally(results[:count]), trials=3, quick=quick)


GOOD, BAD = row("A1", [None] * 3, quick=2), row("B1", [None, "lost", None])


def test_a_row_passes_only_if_every_trial_does_and_there_was_one():
    assert tried(GOOD, quick=False, trials=None).ours.passed
    assert not tried(BAD, quick=False, trials=None).ours.passed
    assert not tally([]).passed


def test_quick_leaves_out_what_is_long_and_stock():
    assert chosen((GOOD, BAD), [], quick=True) == [GOOD]
    assert tried(GOOD, quick=True, trials=None).ours.trials == 2


def test_an_unknown_row_is_named(capsys, tmp_path):
    assert torture(rows=["X9"], quick=True, trials=None, out=tmp_path / "a.json") == 1
    assert "there is no row X9" in capsys.readouterr().err


@pytest.mark.parametrize(("rows", "code"), [((GOOD,), 0), ((GOOD, BAD), 1)])
def test_exit_code_and_figures(rows, code, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("retina_plugin.faults.torture.ROWS", rows)
    out = tmp_path / "new" / "torture.json"
    assert torture(rows=[], quick=False, trials=None, out=out) == code
    figures = json.loads(out.read_text())
    assert figures["A1"]["ours"] == {"good": 3, "trials": 3, "failures": [], "note": ""}
    assert ("B1 lost" in capsys.readouterr().out) == bool(code)


def test_a_row_that_breaks_down_has_failed_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    broken = Row("C1", "a trial", lambda count: tally([1 / 0]), trials=2)
    monkeypatch.setattr("retina_plugin.faults.torture.ROWS", (broken, GOOD))
    assert torture(rows=[], quick=False, trials=None, out=tmp_path / "t.json") == 1
    out = capsys.readouterr().out
    assert "C1 it broke down with ZeroDivisionError" in out
    assert "A1: 3/3" in out
