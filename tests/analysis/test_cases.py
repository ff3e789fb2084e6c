"""Both sides of a measurement get the same input and compute the same."""

import pytest
import torch

from retina_plugin.analysis.cases import (
    BEST,
    OURS,
    STAGES,
    STOCK,
    Setting,
    boxes_of,
    grid_of,
    paths,
)

SMALL = Setting(height=64, width=96, batch=1, classes=4, gts=3, depth=18)


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
    assert paths(SMALL)["precision"] in ("bfloat16", "float32")
