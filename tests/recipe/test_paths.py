import copy

import pytest
from mmengine.config import ConfigDict

from retina_plugin.errors import UserError
from retina_plugin.recipe.paths import follow_data_root, full_ann_file, point_evaluators


def test_the_annotation_file_is_joined_as_the_dataset_joins_it():
    assert full_ann_file(ConfigDict(data_root="a", ann_file="b.json")) == "a/b.json"
    assert full_ann_file(ConfigDict(data_root="a", ann_file="/b.json")) == "/b.json"
    assert full_ann_file(ConfigDict(ann_file="b.json")) == "b.json"


def test_a_root_set_by_hand_wins(load):
    cfg = load("retinanet_r50", data_root="x", train_dataloader__dataset__data_root="mine")
    changes = follow_data_root(cfg)
    assert cfg.train_dataloader.dataset.data_root == "mine"
    assert cfg.val_dataloader.dataset.data_root == "x"
    assert [change.key for change in changes] == [
        "val_dataloader.dataset.data_root",
        "test_dataloader.dataset.data_root",
    ]


def test_a_root_that_no_dataset_reads_is_warned_of(load):
    cfg = load("retinanet_r50", data_root="x")
    for split in ("train", "val", "test"):
        cfg[f"{split}_dataloader"].dataset.data_root = "mine"
    (change,) = follow_data_root(cfg)
    assert change.value == "x"
    assert "WARNING" in change.reason


def test_wrapped_and_concatenated_datasets_follow(load):
    cfg = load("retinanet_r50", data_root="x")
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = {
        "type": "RepeatDataset",
        "dataset": {"type": "ConcatDataset", "datasets": [inner, inner]},
    }
    follow_data_root(cfg)
    roots = {one.data_root for one in cfg.train_dataloader.dataset.dataset.datasets}
    assert roots == {"x"}


def test_an_evaluator_follows_its_dataset(load):
    cfg = load("retinanet_r50", val_dataloader__dataset__ann_file="other.json")
    point_evaluators(cfg)
    assert cfg.val_evaluator.ann_file == "data/coco/other.json"


@pytest.mark.parametrize("as_list", [False, True])
def test_an_evaluator_file_set_by_hand_wins(load, as_list):
    cfg = load("retinanet_r50", data_root="x", val_evaluator__ann_file="mine.json")
    if as_list:
        cfg.val_evaluator = [cfg.val_evaluator]
    follow_data_root(cfg)
    point_evaluators(cfg)
    evaluator = cfg.val_evaluator[0] if as_list else cfg.val_evaluator
    assert evaluator.ann_file == "mine.json"


@pytest.fixture
def two_files(load):
    """Validation on two files."""
    cfg = load("retinanet_r50")
    inner = cfg.val_dataloader.dataset
    files = [{**inner, "ann_file": f"{name}.json"} for name in "ab"]
    cfg.val_dataloader.dataset = {"type": "ConcatDataset", "datasets": files}
    return cfg


def test_one_metric_is_not_pointed_at_one_of_two_files(two_files):
    """Detections of the second would be held against images of the first."""
    with pytest.raises(UserError, match=r"reads data/coco/a.json, data/coco/b.json, but val_eval"):
        point_evaluators(two_files)
    two_files.val_evaluator.ann_file = "both.json"
    point_evaluators(two_files)
    assert two_files.val_evaluator.ann_file == "both.json"


def test_metrics_of_several_datasets_follow_in_their_order(two_files):
    metric = two_files.val_evaluator
    two_files.val_evaluator = {
        "type": "MultiDatasetsEvaluator",
        "metrics": [metric, copy.deepcopy(metric)],
        "dataset_prefixes": ["a", "b"],
    }
    point_evaluators(two_files)
    files = [metric.ann_file for metric in two_files.val_evaluator.metrics]
    assert files == ["data/coco/a.json", "data/coco/b.json"]


def test_an_evaluator_without_a_file_keeps_none(load):
    cfg = load("retinanet_r50", data_root="x", val_evaluator__ann_file=None)
    point_evaluators(cfg)
    assert cfg.val_evaluator.ann_file is None
