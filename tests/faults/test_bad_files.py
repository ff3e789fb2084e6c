import cv2
import numpy as np

from retina_plugin.faults.bad_files import CASES, CONTENT, FILES, ROWS, one_bad


def test_one_bad_file_costs_one_result():
    outcome = ROWS[0].ours(3)
    assert outcome.passed, outcome.failures
    assert outcome.trials == 3


def test_stock_loses_all_results():
    outcome = ROWS[0].stock(2)
    assert outcome.good == 0
    assert all("0 results" in failure for failure in outcome.failures)


def test_every_kind_is_tried_in_every_place():
    assert len(set(CASES)) == ROWS[0].trials >= 5 * len(CONTENT)
    assert max(place for place, _ in CASES) == FILES - 1


def test_the_bad_file_is_bad_for_a_while_only(tmp_path):
    path = tmp_path / "a.png"
    good = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    for kind in ("folder", *CONTENT):
        path.write_bytes(good)
        with one_bad(path, kind):
            assert not path.is_file() or path.read_bytes() != good
        assert path.read_bytes() == good
