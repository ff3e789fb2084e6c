"""What the demo shows, from logs and files that MMEngine writes."""

import json
import sys

import cv2
import numpy as np
import pytest
from rich.console import Console

from retina_plugin.demo import (
    coco_table,
    contact_sheet,
    follow,
    last_error,
    read_metrics,
    watch,
)
from retina_plugin.errors import UserError

LOG = """
train_cfg = dict(max_epochs=4, type='EpochBasedTrainLoop')
11/20 22:31:22 - mmengine - INFO - Epoch(train) [2][ 50/100]  lr: 4e-05  eta: 0:02:30  time: 3.2
11/20 22:33:22 - mmengine - INFO - Epoch(test) [20/25]    eta: 0:00:05  time: 0.3
"""
METRICS = {
    f"coco/bbox_{name}": 0.1 * i
    for i, name in enumerate(["mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l"], 1)
}


def test_log_lines_become_share_and_time_left():
    shown = []
    watch(LOG.splitlines(), lambda *words: shown.append(words))
    assert shown == [
        (0.375, "epoch 2 of 4, 38%, 0:02:30 left"),
        (0.8, "validation scenes, 80%, 0:00:05 left"),
    ]


def test_command_is_followed_and_its_output_kept(tmp_path):
    console = Console(record=True, width=100, force_terminal=False)
    command = [sys.executable, "-c", f"print({LOG!r})"]
    follow(console, "training", command, tmp_path / "log")
    assert "Epoch(train) [2][ 50/100]" in (tmp_path / "log").read_text()
    assert "training: epoch 2 of 4, 38%, 0:02:30 left" in console.export_text()


def test_command_that_fails_is_an_error_with_its_last_word(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('error: no such folder')"]
    with pytest.raises(UserError, match="training failed: error: no such folder"):
        follow(Console(quiet=True), "training", command, tmp_path / "log")


def test_last_error_of_a_silent_log(tmp_path):
    (tmp_path / "log").write_text("fine\n")
    assert last_error(tmp_path / "log") == "it ended without a word"


def test_last_evaluation_is_shown_as_a_table(tmp_path):
    for day, metrics in (("1", {}), ("2", METRICS)):
        (tmp_path / day).mkdir()
        (tmp_path / day / f"{day}.json").write_text(json.dumps(metrics) + "\n")
    assert read_metrics(tmp_path) == METRICS
    console = Console(record=True, width=80)
    console.print(coco_table(METRICS))
    text = console.export_text()
    assert "AP50" in text
    assert "0.200" in text


def test_contact_sheet_lays_pictures_out_in_rows(tmp_path):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        cv2.imwrite(str(paths[-1]), np.full((4, 6, 3), 50 * (i + 1), np.uint8))
    contact_sheet(paths, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (8, 12, 3)
    assert [sheet[y, x, 0] for y, x in ((0, 0), (0, 6), (4, 0), (4, 6))] == [50, 100, 150, 0]
