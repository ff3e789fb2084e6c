"""COCO's numbers by either evaluator, against MMDetection's metric."""

import json

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric as StockMetric

from retina_plugin.engine.metric import CocoMetric

CLASSES = ("cat", "dog", "cow")
BACKENDS = ["pycocotools", "faster_coco_eval"]


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """A COCO file of 12 images; category ids with gaps, a crowd, an image without a box."""
    generator = np.random.default_rng(0)
    images = [{"id": 10 * i, "width": 200, "height": 150} for i in range(1, 13)]
    boxes = []
    for image in images[:-1]:
        for _ in range(5):
            x, y, w, h = generator.integers([0, 0, 8, 8], [120, 90, 70, 60]).tolist()
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": image["id"],
                    "category_id": int(generator.choice([3, 7, 20])),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": int(len(boxes) % 9 == 0),
                }
            )
    categories = [{"id": i, "name": n} for i, n in zip((3, 7, 20), CLASSES, strict=True)]
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    content = {"images": images, "annotations": boxes, "categories": categories}
    path.write_text(json.dumps(content))
    return path, content


@pytest.fixture(scope="module")
def results(truth):
    """Detections near the truth and at random, in MMDetection's layout."""
    generator = np.random.default_rng(1)
    content, found = truth[1], []
    for image in content["images"]:
        own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        near = np.array([a["bbox"] for a in own] * 3, dtype=np.float64).reshape(-1, 4)
        near[:, 2:] += near[:, :2]
        near += generator.normal(0, 5, near.shape)
        labels = [(3, 7, 20).index(a["category_id"]) for a in own] * 3
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        found.append(
            (
                {"width": 200, "height": 150, "img_id": image["id"]},
                {
                    "img_id": image["id"],
                    "bboxes": near.astype(np.float32),
                    "scores": generator.random(len(near), dtype=np.float32),
                    "labels": np.array(labels, dtype=np.int64),
                },
            )
        )
    return found


def numbers(kind, truth, results, **options):
    evaluator = kind(ann_file=str(truth[0]), **options)
    evaluator.dataset_meta = {"classes": CLASSES}
    return evaluator.compute_metrics(results)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"classwise": True},
        {"metric_items": ["mAP_50", "AR@100", "AR_l@1000"]},
        {"iou_thrs": np.array([0.5, 0.75])},
        {"proposal_nums": (1, 5, 10)},
    ],
)
def test_numbers_are_mmdetections(truth, results, backend, options):
    expected = numbers(StockMetric, truth, results, **options)
    got = numbers(CocoMetric, truth, results, backend=backend, **options)
    assert got == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert list(got) == list(expected)
    assert 0 < got.get("bbox_mAP_50", 0.5) < 1


def test_other_metrics_are_left_to_mmdetection(truth, results, tmp_path):
    for options in ({"metric": "proposal"}, {"outfile_prefix": str(tmp_path / "out")}):
        expected = numbers(StockMetric, truth, results, **options)
        assert numbers(CocoMetric, truth, results, **options) == expected
    assert (tmp_path / "out.bbox.json").exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_second_evaluation_does_not_see_the_first(truth, results, backend):
    evaluator = CocoMetric(ann_file=str(truth[0]), backend=backend)
    evaluator.dataset_meta = {"classes": CLASSES}
    first = evaluator.compute_metrics(results)
    worse = [(gt, {**found, "bboxes": found["bboxes"] + 40}) for gt, found in results]
    assert evaluator.compute_metrics(worse)["bbox_mAP"] < first["bbox_mAP"]
    assert evaluator.compute_metrics(results) == first


@pytest.fixture
def empty(results):
    fields = ("bboxes", "scores", "labels")
    return [(gt, {**found, **{name: found[name][:0] for name in fields}}) for gt, found in results]


@pytest.mark.parametrize("metric", ["bbox", ["bbox", "proposal"]])
def test_classes_keep_their_names_by_mmdetection_too(truth, results, tmp_path, metric):
    """MMDetection's own takes it that classes stand in the order of their categories' ids."""
    options = {"classwise": True, "metric": metric, "outfile_prefix": str(tmp_path / "out")}
    expected = numbers(CocoMetric, truth, results, **options)
    evaluator = CocoMetric(ann_file=str(truth[0]), **options)
    evaluator.dataset_meta = {"classes": ("cow", "cat", "dog"), "labels_follow": "classes"}
    order = np.array([1, 2, 0])  # of cat, dog and cow among these
    moved = [(gt, {**found, "labels": order[found["labels"]]}) for gt, found in results]
    got = evaluator.compute_metrics(moved)
    assert got == pytest.approx(expected)
    assert len({got[f"{name}_precision"] for name in CLASSES}) == 3
    assert evaluator.cat_ids == [20, 3, 7]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("options", [{}, {"classwise": True}, {"metric_items": ["AR@300"]}])
def test_no_detection_is_zero_and_says_so(truth, results, empty, backend, options, logged):
    expected = numbers(StockMetric, truth, results, **options)
    got = numbers(CocoMetric, truth, empty, backend=backend, **options)
    # -1 stays where nothing was to be found: the truth has no large box.
    wanted = {name: min(value, 0) for name, value in expected.items()}
    assert got == pytest.approx(wanted, nan_ok=True)
    assert 0 in got.values()
    assert "No image has a detection" in logged.text


@pytest.mark.parametrize("metric", ["proposal", ["bbox", "proposal"]])
def test_no_detection_is_zero_by_mmdetection_too(truth, results, empty, metric, tmp_path, logged):
    options = {"metric": metric, "outfile_prefix": str(tmp_path / "out")}
    expected = numbers(StockMetric, truth, results, **options)
    assert numbers(CocoMetric, truth, empty, **options) == dict.fromkeys(expected, 0)
    assert "No image has a detection" in logged.text
    assert (tmp_path / "out.bbox.json").read_text() == "[]"


def test_zeros_have_the_names_of_masks_and_classes(truth):
    evaluator = CocoMetric(ann_file=str(truth[0]), metric="segm", classwise=True)
    evaluator.dataset_meta = {"classes": CLASSES}
    got = evaluator.compute_metrics([])
    assert got["cat_precision"] == got["segm_mAP_l"] == 0
    assert len(got) == 9


def test_truth_that_comes_with_the_results(results, empty):
    box = {"bbox": [10, 10, 40, 40], "bbox_label": 0}
    for found, expected in ((results, None), (empty, 0)):
        evaluator = CocoMetric()
        evaluator.dataset_meta = {"classes": CLASSES}
        got = evaluator.compute_metrics([({**gt, "anns": [box]}, each) for gt, each in found])
        assert got["bbox_mAP"] >= 0 if expected is None else got["bbox_mAP"] == 0


def test_truth_without_boxes_has_no_ap(truth, results, tmp_path, logged):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({**truth[1], "annotations": []}))
    assert set(numbers(CocoMetric, (path,), results).values()) == {-1}
    assert "has no annotation" in logged.text


@pytest.mark.parametrize("backend", BACKENDS)
def test_missing_iscrowd_and_area_are_filled(truth, results, backend, tmp_path):
    bare = [
        {key: value for key, value in box.items() if key not in ("iscrowd", "area")}
        for box in truth[1]["annotations"]
    ]
    filled = [{**box, "iscrowd": 0} for box in truth[1]["annotations"]]
    for name, boxes in (("bare", bare), ("filled", filled)):
        content = json.dumps({**truth[1], "annotations": boxes})
        (tmp_path / f"{name}.json").write_text(content)
    got = numbers(CocoMetric, (tmp_path / "bare.json",), results, backend=backend)
    assert got == numbers(StockMetric, (tmp_path / "filled.json",), results)


def processed(truth, found, **fields):
    """What `process` makes of one image's detections."""
    evaluator = CocoMetric(ann_file=str(truth[0]))
    evaluator.dataset_meta = {"classes": CLASSES}
    tensors = {name: torch.as_tensor(value) for name, value in {**found, **fields}.items()}
    sample = {"img_id": tensors.pop("img_id").item(), "ori_shape": (150, 200), "img_path": "a.jpg"}
    good = {**sample, "img_id": 20, "pred_instances": tensors_of(found)}
    evaluator.process({}, [good, {**sample, "pred_instances": tensors}])
    return evaluator.results


def tensors_of(found):
    return {name: torch.as_tensor(found[name]) for name in ("bboxes", "scores", "labels")}


def test_detections_are_checked_as_they_come(truth, results):
    found = results[0][1]
    assert len(processed(truth, found)) == 2
    broken = found["bboxes"].copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 of 15 detections of image id 10 \(a.jpg\)"):
        processed(truth, found, bboxes=broken)
    with pytest.raises(ValueError, match="label 3, but there are 3 classes"):
        processed(truth, found, labels=found["labels"] * 0 + 3)
    with pytest.raises(ValueError, match="image id 11 .*ground truth lacks"):
        processed(truth, found, img_id=11)


def test_unrounded_numbers_are_kept(truth, results):
    evaluator = CocoMetric(ann_file=str(truth[0]))
    evaluator.dataset_meta = {"classes": CLASSES}
    got = evaluator.compute_metrics(results)
    assert round(evaluator.stats[0], 3) == got["bbox_mAP"]
    assert len(evaluator.stats) == 12


@pytest.mark.parametrize("backend", BACKENDS)
def test_labels_in_another_order_give_the_same_numbers_under_the_same_names(
    truth, results, backend
):
    order = ("cow", "cat", "dog")
    again = [
        (gt, {**f, "labels": np.array([order.index(CLASSES[label]) for label in f["labels"]])})
        for gt, f in results
    ]
    evaluator = CocoMetric(ann_file=str(truth[0]), backend=backend, classwise=True)
    evaluator.dataset_meta = {"classes": order, "labels_follow": "classes"}
    expected = numbers(CocoMetric, truth, results, backend=backend, classwise=True)
    assert evaluator.compute_metrics(again) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_class_that_the_annotations_lack_is_named(truth, results):
    evaluator = CocoMetric(ann_file=str(truth[0]))
    evaluator.dataset_meta = {"classes": ("cat", "pig"), "labels_follow": "classes"}
    with pytest.raises(ValueError, match="no category 'pig'.*it has cat, dog, cow"):
        evaluator.compute_metrics(results)


def test_an_unknown_item_is_an_error(truth, results):
    with pytest.raises(ValueError, match="metric_items must be of"):
        numbers(CocoMetric, truth, results, metric_items=["AP50"])
