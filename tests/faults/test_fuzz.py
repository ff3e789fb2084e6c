import json
import time

import numpy as np
import pytest

from retina_plugin.faults.coco_case import Side, valid_content
from retina_plugin.faults.fuzz import ROWS, tried
from retina_plugin.faults.fuzz_options import dotted_paths, options_results
from retina_plugin.faults.hostile_json import mutated, mutated_bytes, places
from retina_plugin.faults.time_limit import TookTooLongError, time_limit

ROW = ROWS[0]


def test_nothing_foreign_comes_of_random_files():
    outcome = ROW.ours(78)
    assert outcome.passed, outcome.failures
    assert outcome.note == "60 annotation files, 12 images, 6 options"


@pytest.mark.slow
def test_nothing_foreign_comes_of_many_random_files():
    outcome = ROW.ours(2600)
    assert outcome.passed, outcome.failures


def test_stock_is_measured_by_its_own_dataset():
    outcome = ROW.stock(60)
    assert 0 < outcome.good < outcome.trials == 60


def test_mutations_follow_from_the_seed_and_leave_the_document_alone():
    content = valid_content()
    first, again, other = (mutated(content, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert content == valid_content()


def test_most_mutations_differ_from_the_document():
    valid = json.dumps(valid_content()).encode()
    made = [mutated(valid_content(), np.random.default_rng(seed)) for seed in range(200)]
    assert sum(data != valid for data in made) > 190


def test_bytes_change_at_the_head_only_where_asked():
    data = bytes(1000)
    for seed in range(20):
        random = np.random.default_rng(seed)
        changed = mutated_bytes(data, random, head=10)
        assert set(changed[40:]) <= {0}


def test_places_are_all_keys_and_indices():
    document = {"a": [1, {"b": 2}], "c": 3}
    assert len(places(document)) == 5
    assert sorted(dotted_paths(document)) == ["a", "a.0", "a.1", "a.1.b", "c"]


def test_a_trial_that_hangs_is_stopped():
    with pytest.raises(TookTooLongError, match="longer than 0.05 s"), time_limit(0.05):
        time.sleep(5)
    with time_limit(0.05):
        pass
    time.sleep(0.1)  # nothing rings later


def test_the_judge_tells_foreign_errors(tmp_path):
    class Foreign:
        def __init__(self, **options):
            raise KeyError("bbox")

    for is_ours in (True, False):
        assert tried(Side(Foreign, None, is_ours), tmp_path) == "KeyError: 'bbox'"


def test_options_end_in_a_sentence():
    assert list(options_results(5, seed=1, seconds=10)) == [None] * 5
