"""What is measured of evaluation: from the model's output to COCO's numbers."""

import contextlib
import io
import json
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.evaluation import CocoMetric as StockCocoMetric
from mmengine.structures import InstanceData

from ...engine.metric import STATS, CocoMetric
from .setting import OURS, STOCK, Cases, Setting

SIZE = (480, 640)  # height and width of every image, pixels
DETECTIONS = 100  # of an image
BATCH = 100  # images that a metric gets at once


def evaluation_cases(setting: Setting) -> Cases:
    """All twelve numbers of synthetic images with 100 detections each."""
    random = np.random.default_rng(0)
    truth = [_truth(random, setting) for _ in range(setting.images)]
    samples = [_sample(random, i, setting.classes, *each) for i, each in enumerate(truth)]
    names = tuple(map(str, range(setting.classes)))
    kinds: dict[str, tuple[type, dict[str, Any]]] = {
        STOCK: (StockCocoMetric, {}),
        OURS: (CocoMetric, {"backend": "pycocotools"}),
    }
    if find_spec("faster_coco_eval"):
        kinds["ours, fast extra"] = (CocoMetric, {"backend": "faster_coco_eval"})
    cases: Cases = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "truth.json")
        path.write_text(json.dumps(_coco_json(truth, setting)))
        for name, (kind, options) in kinds.items():
            metric = kind(str(path), metric="bbox", metric_items=list(STATS), **options)
            metric.dataset_meta = {"classes": names}
            cases[name] = partial(_evaluate, metric, samples)
    return cases


def _evaluate(metric: CocoMetric, samples: list[dict]) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):  # the evaluators print
        for first in range(0, len(samples), BATCH):
            metric.process({}, samples[first : first + BATCH])
        return metric.evaluate(len(samples))


def _truth(random: np.random.Generator, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (G, 4), pixels, xyxy, and labels (G,) of an image."""
    return _boxes(random, setting.gts), random.integers(setting.classes, size=setting.gts)


def _boxes(random: np.random.Generator, count: int) -> np.ndarray:
    height, width = SIZE
    size = np.exp(random.normal(4.2, 0.8, (count, 2))).clip(8, height)
    corner = random.random((count, 2)) * (np.array([width, height]) - size).clip(0)
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


def _sample(
    random: np.random.Generator, number: int, classes: int, boxes: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    """What a model leaves of an image: half near its objects, half anywhere."""
    near = random.integers(len(boxes), size=DETECTIONS // 2) if len(boxes) else np.empty(0, int)
    moved = boxes[near] + random.normal(0, 6, (len(near), 4)).astype(np.float32)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    others = _boxes(random, DETECTIONS - len(near))
    found = InstanceData(
        bboxes=torch.from_numpy(np.concatenate([moved, others])),
        scores=torch.from_numpy(random.random(DETECTIONS, dtype=np.float32)),
        labels=torch.from_numpy(
            np.concatenate([labels[near], random.integers(classes, size=len(others))])
        ),
    )
    return {"img_id": number, "ori_shape": SIZE, "pred_instances": found}


def _coco_json(truth: list[tuple[np.ndarray, np.ndarray]], setting: Setting) -> dict[str, list]:
    height, width = SIZE
    objects = [
        (image, box, label)
        for image, (boxes, labels) in enumerate(truth)
        for box, label in zip(boxes.astype(float).tolist(), labels.tolist(), strict=True)
    ]
    return {
        "images": [{"id": i, "height": height, "width": width} for i in range(len(truth))],
        "categories": [{"id": k, "name": str(k)} for k in range(setting.classes)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": label,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            for number, (image, (x1, y1, x2, y2), label) in enumerate(objects, start=1)
        ],
    }
