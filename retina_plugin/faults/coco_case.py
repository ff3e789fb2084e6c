"""A small COCO folder that is mutated, and the judge of what a dataset makes of it."""

import contextlib
import copy
import io
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets import CocoDataset as StockDataset
from mmdet.models.dense_heads import RetinaHead as StockHead
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from ..data import CocoDataset
from ..errors import UserError
from ..head import RetinaHead

CLASSES = ("cat", "dog")
SIZE = (64, 48)  # width, height in pixels
SIDE = 64  # pixels, of the square that an image is padded to for the loss
PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "Resize", "scale": SIZE, "keep_ratio": True},
    {"type": "RandomFlip", "prob": 0.0},
    {"type": "PackDetInputs"},
]
ANN_FILE = "a.json"
COUNTED = re.compile(r"left out (\d+) of \d+ annotations|dropped (\d+) boxes")
Head = Callable[[list], float]


def valid_content() -> dict[str, Any]:
    """Four images with two boxes each, of two classes; the last box is a crowd."""
    images = [{"id": 10 + i, "file_name": f"{i}.{'jpg' if i % 2 else 'png'}"} for i in range(1, 5)]
    for image in images:
        image |= {"width": SIZE[0], "height": SIZE[1]}
    boxes = []
    for i in range(8):
        box = [2 + 3 * i, 4 + i, 20 + i, 16 + i]
        boxes.append(
            {
                "id": 100 + i,
                "image_id": 11 + i // 2,
                "category_id": 1 + 2 * (i % 2),
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": int(i == 7),
            }
        )
    categories = [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}]
    return {"images": images, "annotations": boxes, "categories": categories}


LABELS = {
    tuple(box["bbox"]): CLASSES[box["category_id"] // 2] for box in valid_content()["annotations"]
}


def write_images(folder: Path) -> None:
    """Write the images of the valid file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _images().items():
        (folder / name).write_bytes(data)


@lru_cache(maxsize=1)
def _images() -> dict[str, bytes]:
    names = [image["file_name"] for image in valid_content()["images"]]
    return {name: cv2.imencode(name[-4:], picture())[1].tobytes() for name in names}


def picture() -> np.ndarray:
    """An image of SIZE with some texture."""
    return np.random.default_rng(0).integers(60, 200, (SIZE[1], SIZE[0], 3), dtype=np.uint8)


@dataclass(frozen=True)
class Seen:
    """What came of loading a dataset and preparing every sample."""

    error: BaseException | None
    log: str
    samples: list

    @property
    def counted(self) -> int:
        """Boxes that the log says were left out."""
        return sum(int(a or b) for a, b in COUNTED.findall(self.log))


def see(kind: type, folder: Path, ann_file: str = ANN_FILE, **options: Any) -> Seen:
    """Build a dataset of that class on a folder, and prepare all its samples."""
    samples: list = []
    error: BaseException | None = None
    scope = DefaultScope.overwrite_default_scope("mmdet")
    with scope, captured_log() as log, contextlib.redirect_stdout(io.StringIO()):
        try:
            dataset = kind(
                data_root=str(folder),
                ann_file=ann_file,
                data_prefix={"img": ""},
                metainfo={"classes": CLASSES},
                pipeline=copy.deepcopy(PIPELINE),
                serialize_data=False,  # packing collects garbage, which takes half a second
                **options,
            )
            samples += [dataset[i] for i in range(len(dataset))]
        except Exception as caught:
            error = caught
    return Seen(error, log.getvalue(), samples)


@contextlib.contextmanager
def captured_log() -> Iterator[io.StringIO]:
    """What goes to MMEngine's log meanwhile, and nowhere else."""
    logger = MMLogger.get_current_instance()
    text = io.StringIO()
    before = logger.handlers[:], logger.level
    logger.handlers[:] = [logging.StreamHandler(text)]
    logger.setLevel(logging.INFO)
    try:
        yield text
    finally:
        logger.handlers[:] = before[0]
        logger.setLevel(before[1])


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep what image libraries write about broken files, past Python, from the screen."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def fault_of_samples(samples: list, loss: Head) -> str | None:
    """What is wrong with prepared samples: a box, or the loss of a head on them."""
    for sample in (sample["data_samples"] for sample in samples):
        for instances in (sample.gt_instances, sample.ignored_instances):
            boxes = instances.bboxes.tensor
            if not boxes.isfinite().all():
                return "a box that is not finite reached training"
            if ((boxes[:, 2:] - boxes[:, :2]) < 0.99).any():
                return "a box narrower or lower than 1 px reached training"
    if samples and not np.isfinite(loss(samples)):
        return "the loss is not finite"
    return None


def has_wrong_label(samples: list) -> bool:
    """Whether a box of the valid file carries another label than there."""
    for instances in (sample["data_samples"].gt_instances for sample in samples):
        boxes = instances.bboxes.tensor.tolist()
        for box, label in zip(boxes, instances.labels.tolist(), strict=True):
            x, y, right, bottom = (round(value, 3) for value in box)
            name = LABELS.get((x, y, round(right - x, 3), round(bottom - y, 3)))
            if name is not None and CLASSES[label] != name:
                return True
    return False


def boxes_in(samples: list) -> int:
    """Boxes of all samples, crowds included."""
    parts = ("gt_instances", "ignored_instances")
    return sum(len(sample["data_samples"].get(part)) for sample in samples for part in parts)


@dataclass(frozen=True)
class Side:
    """A dataset class and the loss of a head."""

    dataset: type
    loss: Head
    is_ours: bool = False

    def names(self, error: BaseException, words: tuple[str, ...]) -> bool:
        """Whether an error says what is wrong.

        Ours must be one sentence for the user with all the words: file, entry and field. Of
        stock any error is enough that names the file.
        """
        if not self.is_ours:
            return words[0] in str(error)
        is_sentence = isinstance(error, UserError) and "\n" not in str(error)
        return is_sentence and all(word in str(error) for word in words)


def ours() -> Side:
    """This package's dataset and head."""
    assigner = {"type": "retina_plugin.AnchorAssigner"}
    return Side(CocoDataset, _loss_of(RetinaHead, assigner), is_ours=True)


def stock() -> Side:
    """MMDetection's."""
    assigner = {"type": "MaxIoUAssigner", "min_pos_iou": 0, "ignore_iof_thr": -1}
    return Side(StockDataset, _loss_of(StockHead, assigner))


def _loss_of(kind: type[nn.Module], assigner: dict) -> Head:
    """The summed loss of a small head on fixed features, for samples of SIZE."""
    torch.manual_seed(0)
    head: Any = kind(
        num_classes=len(CLASSES),
        in_channels=4,
        feat_channels=4,
        stacked_convs=1,
        train_cfg=ConfigDict(
            assigner={"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, **assigner},
            allowed_border=-1,
            pos_weight=-1,
        ),
    )
    features = [torch.randn(1, 4, SIDE // stride, SIDE // stride) for stride in (8, 16, 32, 64)]
    features.append(torch.randn(1, 4, 1, 1))

    def loss(samples: list) -> float:
        inputs = [sample["data_samples"] for sample in samples]
        for sample in inputs:
            sample.gt_instances.bboxes = sample.gt_instances.bboxes.tensor
            sample.ignored_instances.bboxes = sample.ignored_instances.bboxes.tensor
            sample.set_metainfo({"pad_shape": (SIDE, SIDE), "batch_input_shape": (SIDE, SIDE)})
        with torch.no_grad():
            losses = head.loss([f.expand(len(inputs), -1, -1, -1) for f in features], inputs)
        values = [
            v for value in losses.values() for v in (value if isinstance(value, list) else [value])
        ]
        return float(sum(values))

    return loss
