import pytest

from retina_plugin.errors import UserError
from retina_plugin.faults.bad_annotations import DROP, ERROR, FINE
from retina_plugin.faults.bad_data import ROWS, cases, judge
from retina_plugin.faults.coco_case import Seen, Side, ours, see, stock, write_images

ROW = ROWS[0]


@pytest.mark.slow
def test_every_mutation_ends_in_a_named_error_or_a_counted_drop():
    outcome = ROW.ours(ROW.trials)
    assert outcome.passed, outcome.failures
    assert outcome.trials == ROW.trials == len(cases()) >= 150


def test_mutations_are_of_every_kind_and_differ():
    listed = cases()
    assert {case.verdict for case in listed} == {ERROR, DROP, FINE}
    assert len({case.name for case in listed}) > 0.95 * len(listed)


def test_stock_is_measured_by_its_own_dataset():
    outcome = ROW.stock(40)
    assert 0 < outcome.good < outcome.trials == 40


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path)
    case = next(case for case in cases() if case.verdict == FINE)
    (tmp_path / "a.json").write_bytes(case.raw)
    return tmp_path


@pytest.mark.parametrize("side", [ours, stock])
def test_a_valid_folder_is_fine_on_both_sides(folder, side):
    made = side()
    seen = see(made.dataset, folder)
    assert (seen.error, len(seen.samples), seen.counted) == (None, 4, 0)
    assert judge(made, seen, FINE, ()) is None


def test_the_judge_is_strict(folder):
    side = ours()
    good = see(side.dataset, folder)
    assert "accepted" in judge(side, good, ERROR, ())
    assert "accepted" in judge(side, good, DROP, ())
    fewer = Seen(None, "", good.samples[1:])
    assert "2 boxes lost" in judge(side, fewer, DROP, ())
    counted = Seen(None, "left out 2 of 8 annotations", good.samples[1:])
    assert judge(side, counted, DROP, ()) is None
    for error in (ValueError("a.json: id 3"), UserError("a.json"), UserError("a.json\nid 3")):
        assert judge(side, Seen(error, "", []), ERROR, ("a.json", "id 3")) is not None
    named = Seen(UserError("a.json: id 3"), "", [])
    assert judge(side, named, ERROR, ("a.json", "id 3")) is None
    assert judge(side, named, FINE, ()) is not None


def test_stock_need_only_name_the_file():
    side = Side(object, lambda samples: 0.0)
    assert judge(side, Seen(ValueError("a.json?"), "", []), ERROR, ("a.json", "id 3")) is None
    assert judge(side, Seen(KeyError("bbox"), "", []), ERROR, ("a.json", "bbox")) is not None


def test_the_judge_sees_labels_and_boxes(folder):
    side = ours()
    seen = see(side.dataset, folder)
    seen.samples[0]["data_samples"].gt_instances.labels += 1
    assert "label" in judge(side, seen, FINE, ())
    seen = see(side.dataset, folder)
    seen.samples[1]["data_samples"].gt_instances.bboxes.tensor[0, 2] = float("nan")
    assert "not finite" in judge(side, seen, FINE, ())
