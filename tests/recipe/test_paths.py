import copy
import shutil

import pytest
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.config import Config, ConfigDict

from retina_plugin.errors import UserError
from retina_plugin.recipe import resolve
from retina_plugin.recipe.paths import (
    follow_data_root,
    full_ann_file,
    image_folder,
    point_evaluators,
    remember_paths,
)


def test_the_annotation_file_is_joined_as_the_dataset_joins_it():
    assert full_ann_file(ConfigDict(data_root="a", ann_file="b.json")) == "a/b.json"
    assert full_ann_file(ConfigDict(data_root="a", ann_file="/b.json")) == "/b.json"
    assert full_ann_file(ConfigDict(ann_file="b.json")) == "b.json"


@pytest.mark.parametrize("name", ["http://host/b", "https://host/b", "s3://bucket/b", "/b", "b"])
def test_addresses_are_absolute_to_us_as_to_the_dataset(write_coco, tmp_path, name):
    write_coco(tmp_path / "a.json")
    paths = {"data_root": str(tmp_path), "ann_file": "a.json", "data_prefix": {"img": name}}
    dataset = MMDetCocoDataset(**paths, lazy_init=True)
    dataset.ann_file, dataset.data_prefix = name, {"img": name}
    dataset._join_prefix()
    assert full_ann_file(ConfigDict({**paths, "ann_file": name})) == dataset.ann_file
    assert image_folder(ConfigDict(paths)) == dataset.data_prefix["img"]


def test_a_root_set_by_hand_wins(load):
    cfg = load("retinanet_r50", data_root="x", train_dataloader__dataset__data_root="mine")
    changes = follow_data_root(cfg)
    assert cfg.train_dataloader.dataset.data_root == "mine"
    assert cfg.val_dataloader.dataset.data_root == "x"
    assert [change.key for change in changes if change.key.endswith("data_root")] == [
        "val_dataloader.dataset.data_root",
        "test_dataloader.dataset.data_root",
    ]


def test_an_old_root_beside_the_new_one_was_set_by_hand_and_stays(load):
    cfg = load("retinanet_r50", data_root="x")
    inner = cfg.train_dataloader.dataset
    both = [{**inner, "data_root": root} for root in ("data/coco/", "x")]
    cfg.train_dataloader.dataset = {"type": "ConcatDataset", "datasets": both}
    changes = {change.key: change.reason for change in follow_data_root(cfg)}
    assert [one.data_root for one in cfg.train_dataloader.dataset.datasets] == ["data/coco/", "x"]
    assert "WARNING: stays" in changes["train_dataloader.dataset.datasets.0.data_root"]
    assert cfg.val_dataloader.dataset.data_root == "x"


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


@pytest.fixture
def saved(tmp_path):
    """A config as a training leaves it in its work dir, with options merged in."""

    def build(cfg, **options):
        resolve(cfg, say=None).dump(tmp_path / "saved.py")
        again = Config.fromfile(tmp_path / "saved.py")
        again.merge_from_dict({key.replace("__", "."): value for key, value in options.items()})
        return resolve(again, say=None)

    return build


@pytest.mark.parametrize("name", ["retinanet_custom", "retinanet_r50"])
def test_the_data_of_a_saved_config_can_be_moved(load, saved, coco_folder, tmp_path, name):
    options = {
        f"{split}_dataloader__dataset__ann_file": f"annotations/{file}.json"
        for split, file in (("train", "train"), ("val", "val"), ("test", "val"))
    }
    new = tmp_path / "new"
    shutil.copytree(coco_folder, new)
    cfg = saved(load(name, data_root=f"{coco_folder}/", **options), data_root=str(new))
    for split in ("val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.data_root == str(new)
        assert cfg[f"{split}_evaluator"].ann_file == f"{new}/annotations/val.json"


def test_a_test_file_named_for_a_saved_config_is_evaluated_on(load, saved, coco_folder):
    """Before, the evaluator kept the file that training had validated on."""
    options = {"test_dataloader__dataset__ann_file": "annotations/train.json"}
    cfg = saved(load("retinanet_custom", data_root=str(coco_folder)), **options)
    assert cfg.test_evaluator.ann_file == f"{coco_folder}/annotations/train.json"
    assert cfg.val_evaluator.ann_file == f"{coco_folder}/annotations/val.json"


def test_evaluators_of_two_files_move_with_their_datasets(load, saved, coco_folder, tmp_path):
    named = {"test_dataloader__dataset__ann_file": "annotations/train.json"}
    new = tmp_path / "new"
    shutil.copytree(coco_folder, new)
    cfg = load("retinanet_custom", data_root=str(coco_folder), **named)
    cfg = saved(cfg, data_root=str(new))
    assert cfg.val_evaluator.ann_file == f"{new}/annotations/val.json"
    assert cfg.test_evaluator.ann_file == f"{new}/annotations/train.json"


def test_a_file_that_an_evaluator_was_given_by_hand_is_not_taken_for_its_datasets(load):
    cfg = load("retinanet_r50", data_root="x", test_dataloader__dataset__ann_file="test.json")
    cfg.test_evaluator.ann_file = "x/other.json"
    for _ in range(2):
        follow_data_root(cfg)
        point_evaluators(cfg)
        remember_paths(cfg)
        assert cfg.test_evaluator.ann_file == "x/other.json"
    assert cfg.recipe.data_root == "x"


def test_a_config_without_a_recipe_gets_none(load):
    cfg = load("retinanet_r50", data_root="x")
    cfg.pop("recipe")
    follow_data_root(cfg)
    point_evaluators(cfg)
    assert cfg.test_dataloader.dataset.data_root == "x"
    assert cfg.test_evaluator.ann_file == "x/annotations/instances_val2017.json"
    assert remember_paths(cfg) == []
    assert "recipe" not in cfg
