from dataclasses import replace

import pytest

from retina_plugin.analysis.reproduction.results import Finished, check_alike, read, write
from retina_plugin.errors import UserError

METRICS = {"AP": 0.25, "AP50": 0.5, "AP75": 0.25}
RUN = Finished("a", 1, 450, "pcb 0123", "", METRICS, 300.5, [[25, 1.0, 0.5]], "x86, 2 cores")


def test_figures_are_read_as_they_were_written(tmp_path):
    write(RUN, tmp_path)
    write(replace(RUN, seed=2, ended="iteration 3 was not finite", metrics={}), tmp_path)
    assert [each.seed for each in read(tmp_path)] == [1, 2]
    assert read(tmp_path)[0] == RUN


@pytest.mark.parametrize("text", ["", "[]", '{"row": "a"}', "null"])
def test_a_file_that_holds_something_else_is_named(tmp_path, text):
    (tmp_path / "a_seed0.json").write_text(text)
    with pytest.raises(UserError, match="a_seed0.json holds no figures"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            {**METRICS, "AP": float("nan")},
            "holds no figures of a run: metrics is .*nan.*, not names.*Remove the file",
        ),
        ({"AP": 0.25, "AP50": 0.5}, "lacks AP75, which COCO's metric gives .*: remove it"),
        ({}, "lacks AP and AP50 and AP75"),
        ([0.25], "holds no figures of a run"),
        ({**METRICS, "AP": "0.25"}, "holds no figures of a run"),
    ],
)
def test_figures_that_are_none_are_named(tmp_path, metrics, said):
    write(replace(RUN, metrics=metrics), tmp_path)
    with pytest.raises(UserError, match=f"a_seed1.json {said}"):
        read(tmp_path)


def test_a_copy_of_a_run_does_not_count_twice(tmp_path):
    write(RUN, tmp_path)
    (tmp_path / "a_seed2.json").write_bytes((tmp_path / "a_seed1.json").read_bytes())
    with pytest.raises(UserError, match="a_seed2.json holds the run of a_seed1.json"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("iterations", "data", "options"),
    [(900, "pcb 0123", []), (450, "pcb 4567", []), (450, "pcb 0123", ["a=1"])],
)
def test_runs_that_differ_are_not_mixed(tmp_path, iterations, data, options):
    check_alike([RUN], 450, "pcb 0123", [], tmp_path)
    with pytest.raises(UserError, match="a_seed1.json is of 450 iterations on pcb 0123, not of"):
        check_alike([RUN], iterations, data, options, tmp_path)


def test_the_order_of_options_does_not_matter(tmp_path):
    run = replace(RUN, options=["b=2", "a=1"])
    check_alike([run], 450, "pcb 0123", ["a=1", "b=2"], tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": {**METRICS, "AP": -1}}, "has AP -1, not one from 0 to 1"),
        ({"metrics": {**METRICS, "AP": 26.0}}, "has AP 26.0, not one from 0 to 1"),
        ({"ended": "was not finite"}, "has metrics, and yet it was stopped"),
        ({"iterations": 0}, "has seed 1 and 0 iterations"),
        ({"iterations": "450"}, "holds no figures of a run: iterations is '450'"),
        ({"options": None}, "holds no figures of a run: options is None"),
    ],
)
def test_what_cannot_be_a_run_is_named(tmp_path, changes, said):
    write(replace(RUN, **changes), tmp_path)
    with pytest.raises(UserError, match=f"a_seed1.json {said}"):
        read(tmp_path)


def test_no_large_objects_are_no_mistake(tmp_path):
    write(replace(RUN, metrics={**METRICS, "APL": -1}), tmp_path)
    assert read(tmp_path)[0].metrics["APL"] == -1


def test_a_file_that_is_being_written_is_none_yet(tmp_path):
    write(RUN, tmp_path)
    (tmp_path / ".unfinished-abca_seed2.json").write_text("{")
    assert read(tmp_path) == [RUN]
