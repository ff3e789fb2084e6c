"""What the demo shows of the files that an evaluation left."""

import json

import cv2
import numpy as np
from rich.console import Console

from retina_plugin.demo.results import (
    coco_table,
    contact_sheet,
    newest_run,
    read_metrics,
    show_results,
)

METRICS = {
    f"coco/bbox_{name}": 0.1 * i
    for i, name in enumerate(["mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l"], 1)
}


def a_run(work_dir, name, metrics, grey):
    """Files as an evaluation leaves them."""
    drawn = work_dir / name / "drawn"
    drawn.mkdir(parents=True)
    (work_dir / name / f"{name}.json").write_text(json.dumps(metrics) + "\n")
    cv2.imwrite(str(drawn / "val_00001.jpg"), np.full((8, 16, 3), grey, np.uint8))
    return work_dir / name


def test_newest_evaluation_is_read_and_shown(tmp_path):
    a_run(tmp_path, "20260101_000000", {}, 50)
    newest = a_run(tmp_path, "20260102_000000", METRICS, 200)
    assert newest_run(tmp_path) == newest
    assert read_metrics(tmp_path) == METRICS
    console = Console(record=True, width=80)
    sheet = tmp_path / "sheet.png"
    assert show_results(console, tmp_path, sheet) == METRICS
    assert abs(int(cv2.imread(str(sheet))[0, 0, 0]) - 200) < 3
    assert f"{newest / 'drawn'} (1 of them)" in console.export_text()


def test_table_names_every_number():
    console = Console(record=True, width=80)
    console.print(coco_table(METRICS))
    rows = [line.split() for line in console.export_text().splitlines()]
    numbers = [row[-2] for row in rows if row[1:2] and row[1].startswith("AP")]
    assert numbers == ["0.100", "0.200", "0.300", "0.400", "0.500", "0.600"]


def test_table_says_where_there_was_nothing_to_find():
    """COCO's evaluation gives -1 for sizes that no box has."""
    console = Console(record=True, width=80)
    console.print(coco_table({**METRICS, "coco/bbox_mAP_l": -1.0}))
    assert "no such box" in console.export_text()


def test_contact_sheet_lays_pictures_out_in_rows(tmp_path):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        cv2.imwrite(str(paths[-1]), np.full((4, 6, 3), 50 * (i + 1), np.uint8))
    contact_sheet(paths, tmp_path / "sheet.png", columns=2)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (8, 12, 3)
    assert [sheet[y, x, 0] for y, x in ((0, 0), (0, 6), (4, 0), (4, 6))] == [50, 100, 150, 0]
