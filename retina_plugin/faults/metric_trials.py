"""Random detections, ties, crowds and odd boxes among them, evaluated beside plain pycocotools."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from mmdet.evaluation import CocoMetric as StockCocoMetric
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..engine.metric import STATS, CocoMetric
from ..errors import UserError
from .row import Outcome, Row, tally

SIDE = 400  # pixels of every image
AREA_EDGES = (32**2, 96**2)  # between small, medium and large
COUNTS = ((100, 300, 1000), (1, 10, 100))  # MMDetection's and pycocotools' detections an image
BROKEN = (np.nan, np.inf, -np.inf)
EVERY = 4  # of so many trials one has a number that is not finite
# faster-coco-eval divides without pycocotools' epsilon of 2e-16.
TOLERANCE = {"faster_coco_eval": 1e-15}

Metric = Callable[..., CocoMetric]


@dataclass(frozen=True)
class Case:
    """Ground truth in COCO's layout and what a model leaves of each image."""

    truth: dict
    found: list[dict]
    counts: tuple[int, ...]
    broken: int | None  # id of the image with a number that is not finite

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return tuple(category["name"] for category in self.truth["categories"])


def draw_case(seed: int) -> Case:
    """A few images with a few boxes of a few classes each; some have none of either."""
    random = np.random.default_rng(seed)
    classes = int(random.integers(1, 4))
    categories = [{"id": 7 * k + 2, "name": f"class{k}"} for k in range(classes)]
    images = [
        {"id": 3 * i + 1, "width": SIDE, "height": SIDE} for i in range(random.integers(1, 5))
    ]
    truth: dict = {"images": images, "annotations": [], "categories": categories}
    found = []
    for image in images:
        boxes, labels = _draw_boxes(random), random.integers(classes, size=9)
        for box, label in zip(boxes, labels, strict=False):
            truth["annotations"].append(_annotation(random, truth, image["id"], box, label))
        found.append(_draw_found(random, image["id"], boxes, labels, classes))
    counts = COUNTS[seed % len(COUNTS)]
    broken = _break(random, found) if seed % EVERY == 0 else None
    return Case(truth, found, counts, broken)


def _draw_boxes(random: np.random.Generator) -> np.ndarray:
    """(G, 4) boxes xywh of 0 to 8 objects, whole pixels, some with an area on COCO's edges."""
    sizes = random.choice([8, 16, 31, 32, 33, 64, 95, 96, 97, 144, 288], (random.integers(9), 2))
    return np.concatenate([random.integers(-20, SIDE - 32, sizes.shape), sizes], axis=1)


def _annotation(
    random: np.random.Generator, truth: dict, image: int, box: np.ndarray, label: int
) -> dict:
    area = float(box[2] * box[3]) if random.random() < 0.8 else float(random.choice(AREA_EDGES))
    return {
        "id": len(truth["annotations"]) + 1,
        "image_id": image,
        "category_id": truth["categories"][label]["id"],
        "bbox": box.tolist(),
        "area": area,
        "iscrowd": int(random.random() < 0.15),
    }


def _draw_found(
    random: np.random.Generator, image: int, boxes: np.ndarray, labels: np.ndarray, classes: int
) -> dict:
    """Near the objects (some twice), anywhere, tiny, without area, outside; scores often tie."""
    near = random.integers(len(boxes), size=random.integers(30)) if len(boxes) else np.zeros(0, int)
    moved = boxes[near] + random.choice([0, 0, 1, 2.5, 8], (len(near), 4))
    anywhere = random.uniform(-50, SIDE + 50, (random.integers(8), 4))
    anywhere[:, 2:] = random.choice([0.01, 3, 32, 96, 500, 0], (len(anywhere), 2))
    xywh = np.concatenate([moved, anywhere]) if random.random() > 0.1 else np.zeros((0, 4))
    own = np.concatenate([labels[near], random.integers(classes, size=len(anywhere))])[: len(xywh)]
    other = random.integers(classes, size=len(own))
    scores = random.random(len(xywh)).round(random.integers(1, 8))
    return {
        "img_id": image,
        "bboxes": np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1).astype(np.float32),
        "scores": scores.astype(np.float32),
        "labels": np.where(random.random(len(own)) < 0.8, own, other).astype(np.int64),
    }


def _break(random: np.random.Generator, found: list[dict]) -> int:
    """Make a number of one image not finite; gives the image's id."""
    image = found[random.integers(len(found))]
    if len(image["labels"]) == 0:
        image["bboxes"] = np.array([[0, 0, 9, 9]], np.float32)
        image["scores"], image["labels"] = np.ones(1, np.float32), np.zeros(1, np.int64)
    values = image[random.choice(["bboxes", "scores"])].reshape(-1)
    values[random.integers(len(values))] = random.choice(BROKEN)
    return image["img_id"]


def reference(case: Case) -> np.ndarray:
    """The twelve numbers by pycocotools alone, -1 where nothing was to be found."""
    truth = COCO()
    truth.dataset = case.truth
    truth.createIndex()
    ids = [category["id"] for category in case.truth["categories"]]
    found = [
        {
            "image_id": image["img_id"],
            "category_id": ids[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for image in case.found
        for (x1, y1, x2, y2), label, score in zip(
            *(image[name].tolist() for name in ("bboxes", "labels", "scores")), strict=True
        )
    ]
    detections = truth.loadRes(found) if found else COCO()  # it takes no empty list
    if not found:
        detections.dataset = {"images": case.truth["images"], "categories": [], "annotations": []}
        detections.createIndex()
    evaluator = COCOeval(truth, detections, "bbox")
    evaluator.params.maxDets = list(case.counts)
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator.stats


def evaluated(
    case: Case, make: Metric, folder: Path, **options: str
) -> tuple[dict, np.ndarray | None]:
    """The numbers that a metric reports, and those that it keeps unrounded, if any."""
    path = folder / "truth.json"
    path.write_text(json.dumps(case.truth))
    metric = make(str(path), metric_items=list(STATS), proposal_nums=case.counts, **options)
    metric.dataset_meta = {"classes": case.names}
    for image in case.found:
        fields = {name: torch.from_numpy(image[name]) for name in ("bboxes", "scores", "labels")}
        sample = {"img_id": image["img_id"], "ori_shape": (SIDE, SIDE)}
        metric.process({}, [{**sample, "pred_instances": InstanceData(**fields)}])
    return metric.evaluate(len(case.found)), getattr(metric, "stats", None)


def _trial(seed: int, make: Metric, folder: Path, **options: str) -> str | None:
    case, where = draw_case(seed), f"case {seed} {options.get('backend', '')}"
    with contextlib.redirect_stdout(io.StringIO()):  # the evaluators print
        try:
            numbers, exact = evaluated(case, make, folder, **options)
        except UserError as error:
            named = case.broken is not None and f"image id {case.broken} " in str(error)
            return None if named else f"{where}: {error}"
        if case.broken is not None:
            return f"{where}: a number that is not finite was accepted"
        expected = reference(case)
    wanted = {f"coco/bbox_{n}": float(f"{round(expected[i], 3)}") for n, i in STATS.items()}
    if numbers != wanted:
        return f"{where}: {numbers} where pycocotools has {wanted}"
    difference = 0 if exact is None else np.abs(exact - expected).max()
    if difference > TOLERANCE.get(options.get("backend", ""), 0):
        return f"{where}: unrounded numbers differ by {difference}"
    return None


def _ours(trials: int) -> Outcome:
    backends = ["pycocotools", *(["faster_coco_eval"] if find_spec("faster_coco_eval") else [])]
    return tally(_results(trials, CocoMetric, backends), f"by {' and '.join(backends)}")


def _results(trials: int, make: Metric, backends: list[str]) -> Iterator[str | None]:
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(trials):
            failures = (_trial(seed, make, Path(folder), backend=name) for name in backends)
            yield next((failure for failure in failures if failure), None)


def _stock(trials: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return tally([_trial(seed, StockCocoMetric, Path(folder)) for seed in range(trials)])


ROWS = (
    Row(
        "E1",
        "COCO's twelve numbers equal pycocotools' own; what is not finite is refused",
        _ours,
        trials=1000,
        quick=60,
        stock=_stock,
        stock_trials=100,
    ),
)
