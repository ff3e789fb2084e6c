import copy

import pytest

from retina_plugin.recipe import resolve
from retina_plugin.recipe.names import check_names

COCO_NAMES = ["retinanet_r50", "retinanet_r101_600", "retinanet_x101_table2", "presets/mmdet"]


@pytest.mark.parametrize("name", COCO_NAMES)
def test_a_second_call_changes_nothing(load, name):
    once = resolve(load(name, data_root="x", image_scale=(500, 300)), world_size=3, say=None)
    twice = resolve(once, world_size=3, say=None)
    assert twice.to_dict() == once.to_dict()


def test_a_second_call_changes_nothing_on_a_custom_folder(load, coco_folder):
    once = resolve(load("retinanet_custom", data_root=str(coco_folder)), say=None)
    assert resolve(once, say=None).to_dict() == once.to_dict()


def test_the_given_config_stays_as_it_was(load):
    cfg = load("retinanet_r50", data_root="x")
    before = copy.deepcopy(cfg.to_dict())
    resolve(cfg, say=None)
    assert cfg.to_dict() == before


def test_what_was_filled_in_is_said(load):
    said = []
    resolve(load("retinanet_r50", data_root="x"), say=said.extend)
    values = {change.key: change.value for change in said}
    assert values["val_dataloader.dataset.data_root"] == "x"
    assert values["warm-up"] == "LinearLR over 4000 iterations"


def test_every_derived_value_of_a_custom_folder(load, coco_folder):
    cfg = resolve(load("retinanet_custom", data_root=str(coco_folder)), world_size=2, say=None)
    for split, ann_file in (("train", "train"), ("val", "val"), ("test", "val")):
        dataset = cfg[f"{split}_dataloader"].dataset
        assert dataset.data_root == str(coco_folder)
        assert dataset.ann_file == f"annotations/{ann_file}.json"
        assert dataset.data_prefix == {"img": "images/"}
        assert dataset.metainfo.classes == ("dark", "light")
        assert {t["scale"] for t in dataset.pipeline if t["type"] == "Resize"} == {(64, 64)}
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert evaluator.ann_file == f"{coco_folder}/annotations/val.json"
    assert cfg.tta_pipeline[1]["transforms"][0][0]["scale"] == (64, 64)
    assert cfg.model.bbox_head.num_classes == 2
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.01 * 2 * 4 / 16)
    assert cfg.train_cfg.max_epochs == 12


def test_every_derived_value_of_a_coco_config(load):
    cfg = resolve(load("retinanet_r50", data_root="/coco/"), world_size=4, say=None)
    for split in ("train", "val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.data_root == "/coco/"
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert evaluator.ann_file == "/coco/annotations/instances_val2017.json"
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(0.005)
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (180000, 20000)
    assert cfg.param_scheduler[0].end == 1000
    assert cfg.param_scheduler[1].milestones == [120000, 160000]
    assert cfg.param_scheduler[1].end == 180000
    assert cfg.default_hooks.checkpoint.interval == 20000
    assert cfg.auto_scale_lr == {"enable": False, "base_batch_size": 8}


def test_hooks_that_are_turned_off_all_together_are_none(load):
    cfg = resolve(load("retinanet_r50", default_hooks=None), say=None)
    assert cfg.default_hooks.checkpoint.type == "retina_plugin.CheckpointHook"
    check_names(cfg, ("train", "val"))
