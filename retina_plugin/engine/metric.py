"""COCO's numbers without a JSON file in between, by pycocotools or by faster-coco-eval."""

import contextlib
import importlib
import io
import logging
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pycocotools.coco
import pycocotools.cocoeval
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.logging import print_log
from rich.console import Console
from rich.table import Table

from ..errors import UserError
from ..registry import METRICS
from .gathering import over_process_group
from .ground_truth import read_truth
from .metric_checks import check_result, say_coverage

BACKENDS = ("auto", "pycocotools", "faster_coco_eval")
# Where pycocotools' summary of boxes has what MMDetection's names mean.
STATS = {
    "mAP": 0,
    "mAP_50": 1,
    "mAP_75": 2,
    "mAP_s": 3,
    "mAP_m": 4,
    "mAP_l": 5,
    "AR@100": 6,
    "AR@300": 7,
    "AR@1000": 8,
    "AR_s@1000": 9,
    "AR_m@1000": 10,
    "AR_l@1000": 11,
}
DEFAULT_ITEMS = tuple(STATS)[:6]
PROPOSAL_ITEMS = tuple(STATS)[6:]
NOTHING_FOUND = "No image has a detection: every AP and AR is 0."


@METRICS.register_module()
class CocoMetric(MMDetCocoMetric):
    """MMDetection's CocoMetric; boxes go to the evaluator directly, not through a file.

    Every other metric (`segm`, `proposal`, ...), `format_only` and `outfile_prefix` are
    MMDetection's own, with results checked in the same way and zeros where nothing was found.

    Args:
        ann_file: the ground truth; None takes that of the results.
        *args: as in MMDetection's.
        backend: `pycocotools`, the reference; `faster_coco_eval` (the extra `fast`), with the
            same numbers; or `auto`, the second where it is installed.
        **options: as in MMDetection's.

    Attributes:
        stats: the twelve numbers of the last evaluation of boxes, not rounded.

    Raises:
        UserError: an unknown backend, or one that is not installed; an unknown name in
            `metric_items`; ground truth with a box that is not finite.
    """

    _coco_api: Any
    cat_ids: Any  # of the labels; None before the first evaluation
    img_ids: list[int] | None
    stats: np.ndarray | None = None

    def __init__(
        self, ann_file: str | None = None, *args: Any, backend: str = "auto", **options: Any
    ) -> None:
        super().__init__(None, *args, **over_process_group(options))
        self.backend = chosen_backend(backend)
        for item in self.metric_items or ():
            if item not in STATS:
                raise UserError(
                    f"val_evaluator.metric_items must be of {list(STATS)}, but got {item!r}."
                )
        if ann_file is not None:
            by_id = options.get("sort_categories", False)
            with contextlib.redirect_stdout(io.StringIO()):  # it tells of its index
                self._coco_api = read_truth(ann_file, self.backend_args, by_id)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the detections of a batch.

        Raises:
            UserError: one is not finite, of no class or of an unknown image; it names the image.
        """
        super().process(data_batch, data_samples)
        classes = (self.dataset_meta or {}).get("classes")
        images = None if self._coco_api is None else self._coco_api.imgs
        for sample, (_, found) in zip(
            data_samples, self.results[len(self.results) - len(data_samples) :], strict=True
        ):
            count = None if classes is None else len(classes)
            check_result(found, sample.get("img_path"), count, images)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The metrics of the results of all images, each a pair (ground truth, detections)."""
        if self.cat_ids is None and self._coco_api is not None:
            self.cat_ids = categories_of_labels(self._coco_api, self.dataset_meta)
        by_file = self.format_only or self.outfile_prefix is not None or self.use_mp_eval
        if by_file or self.metrics != ["bbox"] or self._coco_api is None:
            return self._by_mmdetection(results)
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()
        found = annotations([detections for _, detections in results], self.cat_ids)
        say_coverage({detections["img_id"] for _, detections in results}, len(self.img_ids))
        if not found:
            print_log(NOTHING_FOUND, "current", logging.WARNING)
        return self._report(self._evaluate(found))

    def _by_mmdetection(self, results: list) -> dict[str, float]:
        """MMDetection's own evaluation, which gives no number where nothing was found."""
        if self.format_only or any(len(found["labels"]) for _, found in results):
            return super().compute_metrics(results)
        print_log(NOTHING_FOUND, "current", logging.WARNING)
        numbers = super().compute_metrics(results) if results else {}
        return {name: numbers.get(name, 0.0) for name in self._names()}

    def _names(self) -> Iterator[str]:
        """The names under which MMDetection reports."""
        for metric in self.metrics:
            if metric == "proposal_fast":
                yield from (f"AR@{count}" for count in self.proposal_nums)
            elif metric == "proposal":
                yield from self.metric_items or PROPOSAL_ITEMS
            else:
                if self.classwise:
                    yield from (f"{name}_precision" for name in self.dataset_meta["classes"])
                yield from (f"{metric}_{item}" for item in self.metric_items or DEFAULT_ITEMS)

    def _evaluate(self, found: list[dict]) -> Any:
        """Evaluate detections in COCO's layout; gives pycocotools' evaluator or its like."""
        coco, evaluator_class = _classes_of(self.backend)
        with _said_to_the_log():
            if not isinstance(self._coco_api, coco):
                self._coco_api = _coco(coco, self._coco_api.dataset)
            truth: Any = self._coco_api
            detections = _coco(coco, {**truth.dataset, "annotations": found})
            evaluator = evaluator_class(truth, detections, "bbox")
            evaluator.params.catIds = self.cat_ids
            evaluator.params.imgIds = self.img_ids
            evaluator.params.maxDets = list(self.proposal_nums)
            evaluator.params.iouThrs = np.atleast_1d(self.iou_thrs)
            evaluator.evaluate()
            evaluator.accumulate()
            # faster-coco-eval's own summary counts more than 100 detections an image.
            pycocotools.cocoeval.COCOeval.summarize(evaluator)
        self.stats = evaluator.stats
        return evaluator

    def _report(self, evaluator: Any) -> dict[str, float]:
        """Numbers under MMDetection's names, rounded as it rounds."""
        numbers = {}
        if self.classwise:
            rank = np.argsort(np.argsort(self.cat_ids))  # the evaluators sort the categories
            precision = evaluator.eval["precision"][:, :, rank]
            table = class_table(precision, self.dataset_meta["classes"])
            print_log(table_text(table), "current")
            numbers = {f"{name}_precision": values[0] for name, values in table.items()}
        for item in self.metric_items or DEFAULT_ITEMS:
            numbers[f"bbox_{item}"] = float(f"{round(evaluator.stats[STATS[item]], 3)}")
        six = " ".join(f"{value:.3f}" for value in evaluator.stats[:6])
        print_log(f"bbox_mAP_copypaste: {six}", "current")
        return numbers


def chosen_backend(backend: str) -> str:
    """The module that evaluates.

    Raises:
        UserError: an unknown one, or one that is not installed.
    """
    if backend not in BACKENDS:
        raise UserError(f"val_evaluator.backend must be one of {BACKENDS}, but got {backend!r}.")
    is_fast_there = find_spec("faster_coco_eval") is not None
    if backend == "auto":
        return "faster_coco_eval" if is_fast_there else "pycocotools"
    if backend == "faster_coco_eval" and not is_fast_there:
        raise UserError(
            "val_evaluator.backend='faster_coco_eval' needs a package that is not installed: "
            "pip install 'retina_plugin[fast]', or set backend='auto'."
        )
    return backend


def categories_of_labels(coco: Any, meta: dict) -> list[int]:
    """Category ids in the order of the labels.

    Args:
        coco: the annotations, as pycocotools has them.
        meta: of the dataset; its labels follow the file's order, as MMDetection's do, unless
            `labels_follow` says that they follow `classes`.

    Raises:
        UserError: a class that the annotations lack.
    """
    if meta.get("labels_follow") != "classes":
        return coco.get_cat_ids(cat_names=meta["classes"])
    ids = {category["name"]: category["id"] for category in coco.dataset["categories"]}
    missing = [name for name in meta["classes"] if name not in ids]
    if missing:
        raise UserError(
            f"val_evaluator.ann_file has no category {missing[0]!r}, which the dataset has; it "
            f"has {', '.join(map(str, ids))}: evaluate on the annotations of the dataset."
        )
    return [ids[name] for name in meta["classes"]]


def annotations(images: Sequence[dict], cat_ids: Sequence[int]) -> list[dict]:
    """Detections of all images as COCO annotations.

    Args:
        images: `img_id`, `bboxes` (M, 4) pixels, xyxy, `scores` (M,) and `labels` (M,) each.
        cat_ids: category of each label.
    """
    found: list[dict] = []
    for image in images:
        boxes = image["bboxes"].astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        areas = (boxes[:, 2] * boxes[:, 3]).tolist()
        columns = (boxes.tolist(), areas, image["scores"].tolist(), image["labels"].tolist())
        for box, area, score, label in zip(*columns, strict=True):
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image["img_id"],
                    "category_id": cat_ids[label],
                    "bbox": box,
                    "area": area,
                    "score": score,
                    "iscrowd": 0,
                }
            )
    return found


def class_table(precision: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
    """AP, AP50, AP75 and AP of small, medium and large boxes of each class; NaN without boxes.

    Args:
        precision: (thresholds, recalls, K, areas, counts) of pycocotools, -1 where there is none.
        names: of the K classes.
    """
    parts: dict[str, tuple[Any, int]] = {"all": (slice(None), 0), "50": (0, 0), "75": (5, 0)}
    parts |= {size: (slice(None), i) for i, size in enumerate("sml", start=1)}
    table = {}
    for k, name in enumerate(names):
        cells = [precision[threshold, :, k, area, -1] for threshold, area in parts.values()]
        means = [cell[cell > -1].mean() if (cell > -1).any() else np.nan for cell in cells]
        table[name] = [round(float(mean), 3) for mean in means]
    return table


def table_text(table: dict[str, list[float]]) -> str:
    """The table of the classes, to be logged."""
    grid = Table("category", "mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
    for name, values in table.items():
        grid.add_row(name, *(f"{value:.3f}" for value in values))
    text = io.StringIO()
    Console(file=text, width=100).print(grid)
    return f"\n{text.getvalue()}"


def _classes_of(backend: str) -> tuple[type, type]:
    """Class of a data set and of its evaluation."""
    if backend == "pycocotools":
        return pycocotools.coco.COCO, pycocotools.cocoeval.COCOeval
    package = importlib.import_module(backend)
    return package.COCO, package.COCOeval_faster


def _coco(coco: type, dataset: dict) -> Any:
    data = coco()
    data.dataset = dataset
    data.createIndex()
    return data


@contextlib.contextmanager
def _said_to_the_log() -> Iterator[None]:
    """The evaluators print; their table belongs into the log."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        yield
    table = [line for line in said.getvalue().splitlines() if line.startswith(" Average")]
    print_log("\n" + "\n".join(table), "current")
