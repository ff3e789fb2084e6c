"""A training of a second, run in forks of this process, so that hundreds take minutes."""

import gc
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner import runner as mmengine_runner
from mmengine.utils.dl_utils import collect_env

from ..engine.border import exit_code
from ..recipe import resolve

CONFIG = "_base_ = 'retina_plugin::_base_/../retinanet_custom.py'"
IMAGES, SIDE, BOX = 4, 64, 28
# A detector that is as small as it can be, below a backbone of depth 18.
TINY_DETECTOR = {
    "model.backbone.base_channels": 8,
    "model.neck.in_channels": [8, 16, 32, 64],
    "model.neck.out_channels": 16,
    "model.bbox_head.in_channels": 16,
    "model.bbox_head.feat_channels": 16,
    "model.bbox_head.stacked_convs": 1,
}
WITHOUT_WORKERS = {
    f"{split}_dataloader.{key}": value
    for split in ("train", "val", "test")
    for key, value in (("num_workers", 0), ("persistent_workers", False))
}
TINY = {
    **TINY_DETECTOR,
    **WITHOUT_WORKERS,
    "model.backbone.depth": 18,
    "model.backbone.init_cfg": None,
    "image_scale": (SIDE, SIDE),
    "train_dataloader.batch_size": 1,
    "auto_scale_lr.enable": False,
    "optim_wrapper.dtype": "float32",
    "train_cfg.max_epochs": 2,
    "randomness.seed": 0,
    "vis_backends": [],
    "visualizer.vis_backends": [],
    "log_level": "ERROR",
}


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="retina_plugin_faults_"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_data(root: Path, images: int = IMAGES, seed: int = 0) -> Path:
    """A COCO-format folder of 64 px images for each split, a dark and a light box in each."""
    generator = np.random.default_rng(seed)
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        content: dict[str, list[dict]] = {"images": [], "annotations": [], "categories": []}
        content["categories"] = [{"id": 1, "name": "dark"}, {"id": 2, "name": "light"}]
        for number in range(1, images + 1):
            canvas = generator.integers(90, 160, (SIDE, SIDE, 3), dtype=np.uint8)
            for category, value in ((1, 0), (2, 255)):
                x, y = (int(each) for each in generator.integers(0, SIDE - BOX, 2))
                canvas[y : y + BOX, x : x + BOX] = value
                content["annotations"].append(_annotation(content, number, category, x, y))
            name = f"{split}{number}.png"
            cv2.imwrite(str(root / "images" / name), canvas)
            size = {"width": SIDE, "height": SIDE}
            content["images"].append({"id": number, "file_name": name, **size})
        (root / "annotations" / f"{split}.json").write_text(json.dumps(content))
    return root


def _annotation(content: dict, image: int, category: int, x: int, y: int) -> dict[str, Any]:
    return {
        "id": len(content["annotations"]) + 1,
        "image_id": image,
        "category_id": category,
        "bbox": [x, y, BOX, BOX],
        "area": BOX * BOX,
        "iscrowd": 0,
    }


def tiny_config(data: Path, work_dir: Path, **options: Any) -> Config:
    """retinanet_custom on a folder of `write_data`, small enough to train in a second.

    Args:
        data: the folder.
        work_dir: of the run.
        **options: keys with `__` for dots.
    """
    cfg = Config.fromstring(CONFIG, ".py")
    asked = {key.replace("__", "."): value for key, value in options.items()}
    cfg.merge_from_dict({**TINY, "data_root": f"{data}/", "work_dir": str(work_dir), **asked})
    return without_formatting(resolve(cfg, say=None))


def without_formatting(cfg: Config) -> Config:
    """The config whose text MMEngine leaves as it is; to format it takes longer than to train."""
    return Config(cfg.to_dict(), cfg.text, cfg.filename, format_python_code=False)


def warm() -> None:
    """Do once, before forking, what every run would do again."""
    register_all_modules(init_default_scope=True)
    mmengine_runner.collect_env = cache(collect_env)
    mmengine_runner.collect_env()
    gc.collect()
    gc.freeze()


def train(cfg: Config, *changes: Callable[[Runner], None]) -> int:
    """Train in this process as tools/train.py does; gives its exit code."""

    def run() -> None:
        runner = Runner.from_cfg(cfg)
        for change in changes:
            change(runner)
        runner.train()

    return exit_code(run)


def forked(work: Callable[[], int], quiet: bool = True) -> int:
    """Do the work in a fork; gives its process id, to be waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        torch.set_num_threads(1)  # threads of the parent are not in its fork
        if quiet:
            _silence()
        code = work()
    except BaseException:  # noqa: BLE001 (a fork must never go on as its parent)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int) -> int:
    """The exit code of a fork; minus the number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def in_forks(trials: Sequence[Callable[[], str | None]]) -> list[str | None]:
    """What each trial gives, each in a fork of its own, as many at once as there are processors."""
    running: deque[tuple[int, int]] = deque()
    results: list[str | None] = [None] * len(trials)
    with scratch_folder() as folder:

        def collect() -> None:
            child, number = running.popleft()
            code, out = wait(child), folder / str(number)
            results[number] = json.loads(out.read_text()) if code == 0 else f"it died with {code}"

        for number, trial in enumerate(trials):
            if len(running) == (os.cpu_count() or 1):
                collect()
            running.append((forked(partial(_write, trial, folder / str(number))), number))
        while running:
            collect()
    return results


def _write(trial: Callable[[], str | None], out: Path) -> int:
    out.write_text(json.dumps(trial()))
    return 0
