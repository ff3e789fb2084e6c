"""A hundred image files for the inferencer, one of them bad."""

import contextlib
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.apis import DetInferencer as StockInferencer

from ..analysis.benchmark.model_cases import configs_of
from ..analysis.benchmark.setting import Setting
from ..engine.inferencer import QUIET, DetInferencer
from .row import Outcome, Row, tally
from .tiny_training import TINY_DETECTOR

FILES = 100
SIDE = 64  # pixels
BATCH = 8
PLACES = (0, 50, 99, 7, 93)
TINY = {
    **TINY_DETECTOR,
    "model.test_cfg.score_thr": 0.001,  # untrained scores are about 0.01
    "model.test_cfg.nms_pre": 10,
}


def _encoded(suffix: str, height: int = SIDE, width: int = SIDE) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def _huge_png() -> bytes:
    """Begins as an image of 4e10 pixels, which would take 120 GB."""
    content = bytearray(_encoded(".png"))
    struct.pack_into(">II", content, 16, 200_000, 200_000)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    return bytes(content)


# What is written in place of a good file; None for no file at all.
CONTENT: dict[str, Callable[[], bytes] | None] = {
    "missing": None,
    "empty": lambda: b"",
    "text": lambda: b"hello there\n" * 9,
    "page": lambda: b"<!DOCTYPE html><html><body>404</body></html>",
    "zeros": lambda: bytes(5000),
    "cut jpg": lambda: _encoded(".jpg")[:-1500],
    "cut png": lambda: _encoded(".png")[:2000],
    "header only": lambda: _encoded(".png")[:40],
    "1 x 4000": lambda: _encoded(".png", 1, 4000),
    "4000 x 1": lambda: _encoded(".png", 4000, 1),
    "huge": _huge_png,
}
CASES = tuple(product(PLACES, ("folder", *CONTENT)))


def make_inferencer(kind: type, cfg: Any) -> Any:
    """An inferencer of a tiny detector of random weights."""
    cfg.merge_from_dict(TINY)
    for transform in cfg.test_dataloader.dataset.pipeline:
        if transform["type"] == "Resize":
            transform["scale"] = (SIDE, SIDE)
    torch.manual_seed(0)
    with warnings.catch_warnings():  # that it has no checkpoint
        warnings.simplefilter("ignore")
        return kind(cfg, device="cpu", palette="coco", **QUIET)


@contextlib.contextmanager
def one_bad(path: Path, kind: str) -> Iterator[None]:
    """Put something bad in place of a file for a while."""
    good = path.read_bytes()
    path.unlink()
    content = CONTENT.get(kind)
    if kind == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content())
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        path.write_bytes(good)


@contextlib.contextmanager
def _silent_opencv() -> Iterator[None]:
    """OpenCV says on stderr what it fails on, besides failing."""
    # OpenCV 4 has the function at its top.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    level = set_level(0)  # silent
    try:
        yield
    finally:
        set_level(level)


def _trial(inferencer: Any, files: list[Path], place: int, kind: str) -> str | None:
    where = f"{kind} in place {place}"
    with one_bad(files[place], kind):
        try:
            results = inferencer([str(file) for file in files], batch_size=BATCH)
        except Exception as error:  # noqa: BLE001 (stock raises anything)
            return f"{where}: 0 results, {type(error).__name__}"
    found = [prediction is not None for prediction in results["predictions"]]
    if found != [number != place for number in range(FILES)]:
        return f"{where}: {sum(found)} results"
    errors = results["errors"]
    if len(errors) != 1 or not errors[0]["error"].startswith(f"{files[place]}: "):
        return f"{where}: errors {errors}"
    return None


def _results(kind: type, ours: bool, trials: int) -> Iterator[str | None]:
    cfg = configs_of(Setting(depth=18, classes=2))[0 if ours else 1]
    inferencer = make_inferencer(kind, cfg)
    with tempfile.TemporaryDirectory() as folder, _silent_opencv():
        files = [Path(folder, f"{number:02}.png") for number in range(FILES)]
        for file in files:
            file.write_bytes(_encoded(".png"))
        for place, bad in (CASES * (1 + trials // len(CASES)))[:trials]:
            yield _trial(inferencer, files, place, bad)


def _ours(trials: int) -> Outcome:
    return tally(_results(DetInferencer, True, trials), f"{len(CONTENT) + 1} kinds of bad file")


def _stock(trials: int) -> Outcome:
    return tally(_results(StockInferencer, False, trials))


ROWS = (
    Row(
        "I1",
        "one bad file of 100: 99 results and one error that names it",
        _ours,
        trials=len(CASES),
        quick=6,
        stock=_stock,
        stock_trials=3,
    ),
)
