"""COCO's numbers without a JSON file in between, by pycocotools or by faster-coco-eval."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pycocotools.cocoeval
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.logging import print_log

from ..errors import UserError
from ..log import warn
from ..registry import METRICS
from .class_table import class_table, table_text
from .evaluators import chosen_backend, classes_of, coco_of, said_to_the_log
from .gathering import over_process_group
from .ground_truth import read_truth
from .labels import annotations, categories_of_labels
from .metric_checks import check_result, say_coverage

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
        in_processes = getattr(self, "use_mp_eval", False)  # unknown to MMDetection 3.0
        by_file = self.format_only or self.outfile_prefix is not None or in_processes
        if by_file or self.metrics != ["bbox"] or self._coco_api is None:
            return self._by_mmdetection(results)
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()
        found = annotations([detections for _, detections in results], self.cat_ids)
        say_coverage({detections["img_id"] for _, detections in results}, len(self.img_ids))
        if not found:
            warn(NOTHING_FOUND)
        return self._report(self._evaluate(found))

    def _by_mmdetection(self, results: list) -> dict[str, float]:
        """MMDetection's own evaluation, which gives no number where nothing was found."""
        with self._categories_in_order(results) as results:
            return self._stock_numbers(results)

    @contextlib.contextmanager
    def _categories_in_order(self, results: list) -> Iterator[list]:
        """Labels numbered by sorted category ids, as COCO's evaluator has them.

        MMDetection takes that for granted where it names the classes.
        """
        ids = self.cat_ids
        if ids is None or list(ids) == sorted(ids):
            yield results
            return
        rank = np.argsort(np.argsort(ids))
        self.cat_ids = sorted(ids)
        try:
            yield [
                (truth, {**found, "labels": rank[np.asarray(found["labels"])]})
                for truth, found in results
            ]
        finally:
            self.cat_ids = ids

    def _stock_numbers(self, results: list) -> dict[str, float]:
        if self.format_only or any(len(found["labels"]) for _, found in results):
            return super().compute_metrics(results)
        warn(NOTHING_FOUND)
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
        coco, evaluator_class = classes_of(self.backend)
        with said_to_the_log():
            if not isinstance(self._coco_api, coco):
                self._coco_api = coco_of(coco, self._coco_api.dataset)
            truth: Any = self._coco_api
            detections = coco_of(coco, {**truth.dataset, "annotations": found})
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
