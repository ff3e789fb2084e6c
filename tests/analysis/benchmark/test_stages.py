"""Both sides of a measurement get the same input and compute the same."""

from dataclasses import replace

import pytest
import torch

from retina_plugin import processor
from retina_plugin.analysis.benchmark import tensor_cases
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


def test_assigners_alone_are_equal():
    cases = STAGES["assigner"](replace(SMALL, gts=9))
    assert list(cases) == [STOCK, OURS, "ours, no compiler"]
    stock, ours, blocks = (run() for run in cases.values())
    assert torch.equal(ours.gt_inds, stock.gt_inds)
    assert torch.equal(ours.labels, stock.labels)
    assert torch.equal(ours.max_overlaps, stock.max_overlaps)
    assert torch.equal(blocks[0] + 1, stock.gt_inds)


@pytest.mark.parametrize("stage", ["assignment", "assigner"])
def test_stock_is_left_out_where_its_matrices_do_not_fit(stage, monkeypatch):
    monkeypatch.setattr(tensor_cases, "_free_bytes", lambda device: 10_000)
    assert STOCK not in STAGES[stage](SMALL)


def test_memory_of_the_page_cache_counts_as_free(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemFree:  10 kB\nMemAvailable:  3000 kB\nBuffers:  1 kB\n")
    monkeypatch.setattr(tensor_cases, "MEMINFO", tmp_path / "meminfo")
    assert tensor_cases._free_bytes("cpu") == 3000 * 1024
    monkeypatch.setattr(tensor_cases, "MEMINFO", tmp_path / "none")
    assert tensor_cases._free_bytes("cpu") > 0


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


def test_nms_keeps_the_same_boxes_in_both_forms():
    cases = STAGES["nms"](replace(SMALL, candidates=300))
    kept = {name: run() for name, run in cases.items()}
    for name in ("few overlap", "many overlap"):
        assert torch.equal(kept[f"{name}, ours"], kept[f"{name}, no compiler"])
    assert len(kept["many overlap, ours"]) < 100 < len(kept["few overlap, ours"])


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
