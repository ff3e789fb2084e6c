"""What all tests share; retina_plugin comes first, so that mmdet imports on mmcv-lite."""

import itertools
import os
from importlib.util import find_spec

# A thread that waits for another gives its core away. By default it spins, and where something else
# runs on the machine, tiny models take several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Triton decides when it is imported whether its own functions are interpreted, which kernels need
# on a machine without a GPU; ours ask again, see the fixture `interpreted`.
if find_spec("triton"):
    os.environ["TRITON_INTERPRET"] = "1"
    import triton  # noqa: F401

    del os.environ["TRITON_INTERPRET"]

import retina_plugin  # noqa: E402, F401, I001

import json
import logging
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import Config, ConfigDict
from mmengine.fileio import BaseStorageBackend
from mmengine.fileio.backends import registry_utils
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from retina_plugin import processor
from retina_plugin.faults.tiny_training import (
    TINY_DETECTOR,
    WITHOUT_WORKERS,
    without_formatting,
)
from retina_plugin.kernels import native_match
from retina_plugin.kernels.fallback import NotAvailable
from retina_plugin.kernels.native import allow_compiling
from retina_plugin.recipe import resolve

RUNS = itertools.count()
CONFIGS = Path(__file__).parents[1] / "configs"

register_all_modules(init_default_scope=True)


@pytest.fixture(autouse=True)
def fixed_seed():
    """Every test draws the same random numbers, whichever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def compiling_allowed():
    """A run that ended in an error may have left it off."""
    allow_compiling(True)


@pytest.fixture
def no_compiler(monkeypatch):
    """Anchors are assigned without compiled code."""

    def library(name):
        raise NotAvailable("no compiler")

    monkeypatch.setattr(native_match, "library", library)


@pytest.fixture(params=["this processor", "plain processor"])
def bfloat16_kernels(request, monkeypatch):
    """Whether oneDNN computes in bfloat16: here, and where no processor does."""
    if request.param == "plain processor":
        monkeypatch.setattr(processor, "is_limited", lambda: True)
    return processor.onednn_computes_in(torch.bfloat16)


class Bucket(BaseStorageBackend):
    """A storage whose addresses begin with `bucket://`: a folder that nothing else reads."""

    def __init__(self, root):
        self.root = Path(root)

    def get(self, filepath):
        return (self.root / str(filepath).removeprefix("bucket://")).read_bytes()

    def get_text(self, filepath, encoding="utf-8"):
        return self.get(filepath).decode(encoding)

    @contextmanager
    def get_local_path(self, filepath):
        with tempfile.NamedTemporaryFile() as copy:
            Path(copy.name).write_bytes(self.get(filepath))
            yield copy.name


@pytest.fixture
def bucket(monkeypatch):
    """`backend_args` of a storage with the files of a folder."""
    monkeypatch.setitem(registry_utils.backends, "bucket", Bucket)
    return lambda root: {"backend": "bucket", "root": str(root)}


@pytest.fixture
def torchrun():
    """The beginning of a command that runs a script in two processes."""
    python = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run"]
    return [*python, "--standalone", "--nproc-per-node=2"]


@pytest.fixture
def make_model():
    """Build a detector from a config dict, without the long log of its initialisation."""

    def build(cfg, init=True):
        model = MODELS.build(ConfigDict(cfg))
        if init:
            model._dump_init_info = lambda *_: None
            model.init_weights()
        return model

    return build


@pytest.fixture
def make_sample():
    """Build one image's sample: sizes (height, width), boxes xyxy in pixels, labels."""

    def build(boxes=(), labels=(), img_shape=(64, 64), pad_shape=None, crowd=(), path="a.jpg"):
        pad_shape = pad_shape or img_shape
        sample = DetDataSample(
            metainfo={
                "img_shape": img_shape,
                "ori_shape": img_shape,
                "pad_shape": pad_shape,
                "batch_input_shape": pad_shape,
                "scale_factor": (1.0, 1.0),
                "img_path": path,
                "img_id": 1,
            }
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.as_tensor(boxes, dtype=torch.float32).view(-1, 4),
            labels=torch.as_tensor(labels, dtype=torch.long),
        )
        crowd = torch.as_tensor(crowd, dtype=torch.float32).view(-1, 4)
        sample.ignored_instances = InstanceData(
            bboxes=crowd, labels=torch.zeros(len(crowd), dtype=torch.long)
        )
        return sample

    return build


@pytest.fixture
def logged(caplog):
    """Records of MMEngine's logger, which keeps them from Python's root logger."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.INFO)  # a tool that an earlier test ran in this process may silence it
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


TINY = {
    **TINY_DETECTOR,
    **WITHOUT_WORKERS,
    "model.backbone.depth": 18,
    "model.backbone.init_cfg": None,
    "model.test_cfg.score_thr": 0.001,  # untrained scores are about 0.01
    "train_cfg.max_epochs": 1,
}


@pytest.fixture(scope="session")
def coco_folder(tmp_path_factory):
    """A COCO-format folder: 4 training and 2 validation images of 64 px, classes dark and light."""
    root = tmp_path_factory.mktemp("coco")
    (root / "images").mkdir()
    (root / "annotations").mkdir()
    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        images, annotations = [], []
        for i in range(count):
            name = f"{split}{i}.png"
            canvas = generator.integers(90, 160, (64, 64, 3), dtype=np.uint8)
            for category, value in ((1, 0), (2, 255)):
                x, y = (int(v) for v in generator.integers(0, 36, 2))
                canvas[y : y + 24, x : x + 28] = value
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": i + 1,
                        "category_id": category,
                        "bbox": [x, y, 28, 24],
                        "area": 28 * 24,
                        "iscrowd": 0,
                    }
                )
            cv2.imwrite(str(root / "images" / name), canvas)
            images.append({"id": i + 1, "file_name": name, "width": 64, "height": 64})
        categories = [{"id": 1, "name": "dark"}, {"id": 2, "name": "light"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"{split}.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def tiny_config(coco_folder, tmp_path):
    """retinanet_custom on `coco_folder`, small enough to train in a second."""

    def build(**options):
        cfg = Config.fromfile(CONFIGS / "retinanet_custom.py")
        changes = {**TINY, "data_root": f"{coco_folder}/", "work_dir": f"{tmp_path}/work"}
        name = f"{tmp_path.name}-{next(RUNS)}"  # MMEngine keeps one of a name a process
        changes |= {"visualizer.name": name, "experiment_name": name}
        cfg.merge_from_dict({**changes, **options})
        return without_formatting(resolve(cfg, say=None))

    return build
