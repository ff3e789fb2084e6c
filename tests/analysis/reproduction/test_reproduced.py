from dataclasses import replace
from pathlib import Path

from retina_plugin.analysis.reproduction.reproduced import (
    Reproduced,
    ap_of,
    by_row,
    papers_numbers,
)
from retina_plugin.analysis.reproduction.results import Finished

CONFIGS = Path(__file__).parents[3] / "configs"
RUN = Finished("table1b_gamma2", 0, 450, "pcb 01", "", {"AP": 0.2, "AP50": 0.5, "AP75": 0.1}, 300.0)
DIVERGED = replace(RUN, seed=1, ended="was not finite", metrics={})


def test_runs_without_a_known_row_are_kept_under_their_name():
    assert by_row([RUN], [["a", "b"]]) == {"table1b_gamma2": [RUN]}


def test_two_names_of_the_same_row_are_two_runs_of_it():
    one, other = replace(RUN, row="a"), replace(RUN, row="b")
    assert by_row([one, other], [["a", "b"]]) == {"a": [one, other], "b": [one, other]}


def test_a_run_that_diverged_counts_as_0():
    assert ap_of("a", [RUN, DIVERGED]).by_seed == {0: 0.2, 1: 0.0}
    assert ap_of("a", [RUN, DIVERGED], "AP50").by_seed == {0: 0.5, 1: 0.0}


def test_noise_is_that_of_ap():
    """By hand: the rows' differences on two seeds are 0.1 and 0.3, of standard deviation 0.1414."""
    seeds = [
        replace(RUN, seed=seed, metrics={**RUN.metrics, "AP": ap})
        for seed, ap in enumerate((0.2, 0.4))
    ]
    others = [replace(run, metrics={**run.metrics, "AP": 0.1}) for run in seeds]
    found = Reproduced([["a"], ["b"]], {"a": seeds, "b": others}, [], {})
    assert round(found.noise, 4) == 0.1414
    assert found.samples["a"].by_seed == {0: 0.2, 1: 0.4}
    assert found.of_metric["AP75"]["b"].values == [0.1, 0.1]


def test_papers_numbers_come_from_the_metafile():
    numbers = papers_numbers(CONFIGS / "ablations" / "metafile.yml")
    assert numbers["table1a_alpha0p75"] == {"AP": 31.1, "AP50": 49.4, "AP75": 33.0}
    assert numbers["section5_ce_usual_init"] == {}
