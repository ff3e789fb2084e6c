import numpy as np

from retina_plugin.faults.metric_trials import ROWS, SIDE, draw_case, reference


def test_numbers_are_pycocotools_and_what_is_not_finite_is_refused():
    outcome = ROWS[0].ours(24)
    assert outcome.passed, outcome.failures
    assert outcome.trials == 24


def test_stock_accepts_what_is_not_finite():
    outcome = ROWS[0].stock(9)
    assert outcome.good == 6
    assert all("not finite was accepted" in failure for failure in outcome.failures)


def test_cases_hold_what_evaluators_trip_over():
    cases = [draw_case(seed) for seed in range(1, 60)]
    truth = [box for case in cases for box in case.truth["annotations"]]
    found = [image for case in cases for image in case.found]
    assert {box["iscrowd"] for box in truth} == {0, 1}
    assert 32**2 in {box["area"] for box in truth}
    assert any(len(image["labels"]) == 0 for image in found)
    assert any(len(np.unique(image["scores"])) < len(image["scores"]) for image in found)
    assert any((image["bboxes"][:, 0] > SIDE).any() for image in found)
    assert sum(case.broken is not None for case in cases) == len(cases) // 4


def test_reference_of_a_perfect_and_of_an_empty_result():
    cases = [case for case in map(draw_case, range(60)) if len(case.truth["annotations"]) > 5]
    case = next(case for case in cases if case.counts[0] == 100)
    boxes = case.truth["annotations"]
    for box in boxes:
        box.update(iscrowd=0, area=box["bbox"][2] * box["bbox"][3])
    ids = [category["id"] for category in case.truth["categories"]]
    for image in case.found:
        own = [box for box in boxes if box["image_id"] == image["img_id"]]
        corners = np.array([box["bbox"] for box in own], dtype=float).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        image["bboxes"], image["scores"] = corners, np.ones(len(own))
        image["labels"] = np.array([ids.index(box["category_id"]) for box in own])
    np.testing.assert_allclose(reference(case)[:3], 1)
    for image in case.found:
        image.update({name: image[name][:0] for name in ("bboxes", "scores", "labels")})
    assert set(reference(case)) <= {0, -1}
