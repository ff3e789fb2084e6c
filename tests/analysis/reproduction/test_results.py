from dataclasses import replace

import pytest

from retina_plugin.analysis.reproduction.results import Finished, check_alike, read, write
from retina_plugin.errors import UserError

RUN = Finished("a", 1, 450, "pcb 0123", "", {"AP": 0.25}, 300.5, [[25, 1.0, 0.5]], "x86, 2 cores")


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
