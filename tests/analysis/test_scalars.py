import json

import pytest

from retina_plugin.analysis.scalars import coco_metrics, curve, last_metrics, seconds_of_iterations


@pytest.fixture
def work_dir(tmp_path):
    """A log of two trainings; the second has two evaluations."""
    for name, aps in (("20260101_000000", (0.9,)), ("20260102_000000", (0.3, 0.2))):
        folder = tmp_path / name / "vis_data"
        folder.mkdir(parents=True)
        lines = [{"coco/bbox_mAP": ap, "coco/bbox_mAP_50": 2 * ap, "step": 9} for ap in aps]
        losses = {"loss": 3.0, "loss_cls": 2.0, "loss_bbox": 1.0, "step": 5}
        (folder / "scalars.json").write_text("\n".join(map(json.dumps, [losses, *lines])))
    return tmp_path


def test_the_last_evaluation_of_the_last_training_counts(work_dir):
    assert last_metrics(work_dir) == {"AP": 0.2, "AP50": 0.4}


def test_losses_come_with_their_iterations(work_dir):
    assert curve(work_dir) == [(5, 2.0, 1.0)]


def test_a_training_that_wrote_no_log_has_no_curve(tmp_path):
    assert curve(tmp_path) == []


def test_the_time_between_two_lines_is_that_of_all_their_iterations(tmp_path):
    folder = tmp_path / "20260101_000000" / "vis_data"
    folder.mkdir(parents=True)
    lines = [
        {"loss": 1.0, "time": 0.5, "step": 10},
        {"loss": 1.0, "time": 0.25, "step": 14},
        {"coco/bbox_mAP": 0.1, "time": 9.0, "step": 14},  # of the evaluation
    ]
    (folder / "scalars.json").write_text("\n".join(map(json.dumps, lines)))
    assert seconds_of_iterations(tmp_path) == [5.0, 1.0]


def test_metrics_that_were_not_computed_are_left_out():
    assert coco_metrics({"coco/bbox_mAP_s": -1.0, "data_time": 0.1}) == {"APS": -1.0}
