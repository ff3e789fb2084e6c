"""Both sides of a measurement get the same input and compute the same."""

from dataclasses import replace

import pytest
import torch

from retina_plugin import processor
from retina_plugin.analysis.benchmark.setting import BEST, OURS, STOCK, Setting, boxes_of, grid_of
from retina_plugin.analysis.benchmark.stages import STAGES, paths

SMALL = Setting(height=64, width=96, batch=1, classes=4, gts=3, depth=18, images=6)


def test_loss_gradients_are_equal():
    cases = STAGES["loss"](SMALL)
    expected = cases[STOCK]()
    for name, run in cases.items():
        torch.testing.assert_close(run(), expected, rtol=1e-4, atol=1e-8, msg=name)


def test_assignments_are_equal():
    cases = STAGES["assignment"](SMALL)
    gt_inds = cases[STOCK]().gt_inds
    codes = cases[OURS]()[0]
    assert torch.equal(torch.where(codes == -2, -1, codes + 1), gt_inds)


def test_targets_are_equal():
    cases = STAGES["targets"](replace(SMALL, batch=2))
    stock, ours = cases[STOCK](), cases[OURS]()
    assert torch.equal(ours.labels, torch.cat(stock[0], dim=1))
    assert torch.equal(ours.used, torch.cat(stock[1], dim=1) > 0)


def test_the_twelve_numbers_are_equal():
    cases = STAGES["evaluation"](SMALL)
    numbers = [run() for run in cases.values()]
    assert len(numbers) == 3
    assert len(numbers[0]) == 12
    assert 0 < numbers[0]["coco/bbox_mAP"] < 1
    assert all(each == numbers[0] for each in numbers)


def test_inferencers_see_the_same_images():
    stock, ours = (run()["predictions"] for run in STAGES["inferencer"](SMALL).values())
    assert len(stock) == len(ours) == 1
    assert set(stock[0]) == set(ours[0])


def test_detections_are_equal():
    cases = STAGES["predict"](SMALL)
    (stock,), (ours,) = cases[STOCK](), cases[OURS]()
    assert len(ours) == len(stock) > 0
    assert torch.equal(ours.labels, stock.labels)
    torch.testing.assert_close(ours.bboxes, stock.bboxes)


@pytest.mark.parametrize("stage", ["train", "inference"])
def test_all_three_models_run(stage):
    cases = STAGES[stage](SMALL)
    assert list(cases) == [STOCK, BEST, OURS]
    for run in cases.values():
        run()


def test_setting_sizes_the_input():
    assert len(grid_of(Setting()).flat()) == 201_600
    assert boxes_of(SMALL).shape == (3, 4)
    assert (boxes_of(SMALL)[:, 2:] <= torch.tensor([96, 64])).all()


def test_paths_name_what_runs_here():
    assert paths(SMALL)["targets"] == "windowed"
    assert paths(SMALL)["loss"] in ("native", "blocked")


@pytest.mark.parametrize(
    ("has_bfloat16", "expected"),
    [(True, ("bfloat16", {"joined", "plain"})), (False, ("float32", {"joined, winograd"}))],
)
def test_paths_follow_the_processor(has_bfloat16, expected, monkeypatch):
    monkeypatch.setattr(processor, "computes_in_bfloat16", lambda device_type: has_bfloat16)
    found = paths(SMALL)
    assert found["precision"] == expected[0]
    assert found["convolutions"] in expected[1]
