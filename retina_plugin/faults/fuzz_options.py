"""Random `--cfg-options` on a small config: a sentence, or a config that can be trained."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..engine.border import in_one_sentence
from ..engine.launch import completed, read_config
from .coco_case import captured_log, valid_content, write_images
from .hostile_json import places
from .time_limit import time_limit

CONFIG = """
_base_ = "retina_plugin::_base_/../retinanet_custom.py"
data_root = {root!r}
model = dict(
    backbone=dict(depth=18, base_channels=4, init_cfg=None),
    neck=dict(in_channels=[4, 8, 16, 32], out_channels=4),
    bbox_head=dict(in_channels=4, feat_channels=4, stacked_convs=1),
)
work_dir = {work!r}
"""
VALUES = (
    *("None", "True", "False", "0", "-1", "1", "7", "1e9", "-1e-9", "nan", "inf", "1e400", "''"),
    *("abc", "[]", "()", "{}", "[1,2]", "(1,2)", "[[1,2],[3]]", "[None]", "[a,b]", "(1", "]", "["),
    *("a=b", "=", "dict(type='x')", "{'type':'x'}", "auto", "../..", "/", "cuda", "ä", "9" * 400),
    *(
        "CocoDataset",
        "mmdet.RetinaNet",
        "SGD",
        "retina_plugin.FocalLoss",
        "$(ls)",
        "%s",
        "lambda: 0",
    ),
)
TIMES = 1, 3  # least and most options of a trial


def options_results(trials: int, seed: int, seconds: float) -> Iterator[str | None]:
    """What is wrong with each trial."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_config(folder)
        paths = dotted_paths(read_config(_arguments(config, []))._cfg_dict.to_dict())
        for number in range(trials):
            random = np.random.default_rng([seed, number])
            options = [_option(paths, random) for _ in range(random.integers(TIMES[0], TIMES[1]))]
            wrong = tried(config, options, seconds)
            yield wrong and f"--cfg-options {' '.join(options)}: {wrong}"


def write_config(folder: Path) -> Path:
    """A config with data, all of it in a folder."""
    write_images(folder / "images")
    (folder / "annotations").mkdir(exist_ok=True)
    for split in ("train", "val"):
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(valid_content()))
    config = folder / "config.py"
    config.write_text(CONFIG.format(root=f"{folder}/", work=str(folder / "work")))
    return config


def _arguments(config: Path, options: list[str]) -> SimpleNamespace:
    return SimpleNamespace(
        config=str(config), cfg_options=options, launcher="none", work_dir=None, local_rank=0
    )


def dotted_paths(cfg: dict[str, Any]) -> list[str]:
    """Every key of a config as one types it."""
    names = {id(cfg): ""}
    paths = []
    for holder, key in places(cfg):
        path = f"{names[id(holder)]}{key}"
        names[id(holder[key])] = f"{path}."
        paths.append(path)
    return paths


def _option(paths: list[str], random: np.random.Generator) -> str:
    path = paths[random.integers(len(paths))]
    if random.random() < 0.1:
        path += (".more", "x", ".0", ".", "..type")[random.integers(5)]
    return f"{path}={VALUES[random.integers(len(VALUES))]}"


def tried(config: Path, options: list[str], seconds: float) -> str | None:
    """What is wrong with what tools/train.py would say to these options before it begins."""
    arguments = _arguments(config, options)
    try:
        with captured_log(), time_limit(seconds):
            completed(read_config(arguments), ("train", "val"), arguments, say=None)
    except Exception as error:
        if in_one_sentence(error) is None:
            return f"{type(error).__name__}: {error}"
    except SystemExit as error:
        return f"left with {error}"
    return None
