import json

import pytest

from retina_plugin.analysis.scalars import (
    coco_metrics,
    curve,
    last_metrics,
    progress,
    seconds_of_iterations,
    training_log,
)
from retina_plugin.errors import UserError


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


def test_a_mean_that_is_not_finite_is_no_point_of_the_curve(work_dir):
    log = training_log(work_dir)
    lines = ['{"loss": NaN, "loss_cls": NaN, "loss_bbox": 1.0, "step": 7}', log.read_text()]
    log.write_text("\n".join(lines))
    assert curve(work_dir) == curve(log) == [(5, 2.0, 1.0)]


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


def test_the_line_that_a_killed_training_left_half_is_no_line(work_dir):
    log = training_log(work_dir)
    log.write_text(log.read_text() + '\n{"loss": 1.0, "lo')
    assert last_metrics(work_dir)["AP"] == 0.2
    assert progress(work_dir) == (5, 5)


@pytest.mark.parametrize("line", ["\x00\x00", "[1]", '{"loss": 1.0, "lo'])
def test_another_torn_line_is_named(work_dir, line):
    log = training_log(work_dir)
    log.write_text(log.read_text() + f'\n{line}\n{{"step": 1}}\n')
    with pytest.raises(UserError, match=r"scalars.json, line 4 is no JSON object"):
        last_metrics(work_dir)


def test_a_training_without_an_evaluation_says_so(tmp_path):
    with pytest.raises(UserError, match="ended without an evaluation"):
        last_metrics(tmp_path)


def test_logs_of_earlier_trainings_do_not_count(work_dir):
    """The work dir of a run that is made again still has them."""
    now = training_log(work_dir).stat().st_mtime + 10
    assert curve(work_dir, now) == []
    with pytest.raises(UserError):
        last_metrics(work_dir, now)
