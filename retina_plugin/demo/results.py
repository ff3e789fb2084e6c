"""What an evaluation left behind, as a table and as one picture."""

import json
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

ROWS = {
    "AP": "bbox_mAP",
    "AP50": "bbox_mAP_50",
    "AP75": "bbox_mAP_75",
    "AP small": "bbox_mAP_s",
    "AP medium": "bbox_mAP_m",
    "AP large": "bbox_mAP_l",
}
SHOWN = 12  # drawn scenes on the sheet


def show_results(console: Console, work_dir: Path, sheet: Path) -> dict[str, float]:
    """Print the COCO table of a test run, write a sheet of its pictures; returns the metrics."""
    metrics = read_metrics(work_dir)
    console.print(coco_table(metrics))
    drawn = sorted(newest_run(work_dir).glob("drawn/*.jpg"))
    contact_sheet(drawn[:SHOWN], sheet)
    console.print("Pictures, truth on the left and detections on the right:")
    console.print(
        f"  {sheet}\n  {drawn[0].parent} ({len(drawn)} of them)", soft_wrap=True, markup=False
    )
    return metrics


def read_metrics(work_dir: Path) -> dict[str, float]:
    """The numbers of the last evaluation that wrote into a work_dir."""
    run = newest_run(work_dir)
    return json.loads((run / f"{run.name}.json").read_text().splitlines()[-1])


def newest_run(work_dir: Path) -> Path:
    """The folder that MMEngine made last in a work_dir: its names are times."""
    return max(path.parent for path in work_dir.glob("*/*.json"))


def coco_table(metrics: dict[str, float]) -> Table:
    """The COCO numbers as a table."""
    table = Table("metric", "validation scenes", title="COCO evaluation")
    for name, key in ROWS.items():
        value = metrics[f"coco/{key}"]
        table.add_row(name, f"{value:.3f}" if value >= 0 else "no such box")
    return table


def contact_sheet(pictures: list[Path], path: Path, columns: int = 3) -> None:
    """Write pictures of one size as rows of `columns`."""
    images = [np.asarray(cv2.imread(str(picture))) for picture in pictures]
    images += [np.zeros_like(images[0])] * (-len(images) % columns)
    rows = [np.hstack(images[i : i + columns]) for i in range(0, len(images), columns)]
    cv2.imwrite(str(path), np.vstack(rows))
