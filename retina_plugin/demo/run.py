"""The steps of the demo, one after the other."""

import sys
from pathlib import Path

from rich.console import Console

from ..data.scene_files import make_scenes
from ..engine.options import quoted
from ..engine.resume import find_latest_checkpoint
from .progress import follow
from .results import show_results

CONFIG = "retinanet_demo.py"


def run_demo(folder: Path, options: list[str]) -> dict[str, float]:
    """Make scenes, train, evaluate, print the COCO table, leave pictures; returns the metrics.

    Args:
        folder: of everything that is written: `data/`, `train/`, `test/`, `detections.png`.
        options: KEY=VALUE for the config.

    Raises:
        UserError: training or evaluation failed; it names the log.
    """
    console = Console()
    data, train, test = (folder / name for name in ("data", "train", "test"))
    with console.status("1/3 making scenes of handwritten digits over photographs"):
        make_scenes(data)
    mim = [sys.executable, "-m", "mim"]
    options = ["--cfg-options", f"data_root={quoted(f'{data}/')}", *options]
    start = [*mim, "train", "retina_plugin", CONFIG, "--work-dir", str(train)]
    follow(console, "2/3 training", [*start, *options], folder / "train.log")
    checkpoint = find_latest_checkpoint(str(train))
    start = [*mim, "test", "retina_plugin", CONFIG, "--checkpoint", str(checkpoint)]
    start += ["--work-dir", str(test), "--show-dir", "drawn"]
    follow(console, "3/3 evaluating", [*start, *options], folder / "test.log")
    return show_results(console, test, folder / "detections.png")
