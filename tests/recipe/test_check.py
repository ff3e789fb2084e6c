import copy

import pytest
import torch
from mmdet.registry import DATASETS, METRICS

from retina_plugin.errors import UserError
from retina_plugin.faults.loopback import served
from retina_plugin.recipe import check, resolve
from retina_plugin.recipe.check import check_annotations, check_data, check_device

KEY = "train_dataloader.dataset"


@pytest.fixture
def custom(load, coco_folder):
    def build(**options):
        cfg = load("retinanet_custom", data_root=str(coco_folder), **options)
        cfg.model.backbone.update(depth=18, init_cfg=None)
        return resolve(cfg, say=None)

    return build


def test_a_good_config_passes(custom):
    check(custom(), ("train", "val", "test"))


def test_each_kind_of_mistake_is_found(custom):
    for options, message in (
        ({"device": "cuda"}, "device asks for a GPU"),
        ({"val_evaluator__type": "No"}, "val_evaluator.type"),
        ({"model__bbox_head__num_classes": 9}, "num_classes is 9"),
    ):
        cfg = custom(**options)
        if torch.cuda.is_available() and "device" in options:
            continue
        with pytest.raises(UserError, match=message):
            check(cfg, ("train", "val"))


@pytest.mark.parametrize("remote", ["ann_file", "images", "both"])
def test_annotations_and_images_may_lie_at_different_places(custom, coco_folder, remote):
    dataset = custom().val_dataloader.dataset
    with served(coco_folder) as address:
        if remote != "images":
            dataset.ann_file = f"{address}/annotations/val.json"
        if remote != "ann_file":
            dataset.data_prefix = {"img": f"{address}/images/"}
        check_data(KEY, dataset)
        assert DATASETS.build(dataset)[0]["inputs"].shape[0] == 3
        if remote == "ann_file":
            with pytest.raises(UserError, match=r"data_prefix.img: there is no image .*val0.png"):
                check_data(KEY, {**dataset, "data_prefix": {"img": "nowhere"}})


def test_a_missing_folder_and_a_missing_file_are_named(custom):
    dataset = custom().train_dataloader.dataset
    with pytest.raises(UserError, match=f"{KEY}.data_root: there is no folder nowhere"):
        check_data(KEY, {**dataset, "data_root": "nowhere"})
    with pytest.raises(UserError, match=f"{KEY}.ann_file: there is no annotation file"):
        check_data(KEY, {**dataset, "ann_file": "gone.json"})
    with pytest.raises(UserError, match=f"{KEY}.data_prefix.img: there is no image .*train0.png"):
        check_data(KEY, {**dataset, "data_prefix": {"img": "nowhere"}})


def test_training_needs_annotations_in_one_of_its_files(write_coco, tmp_path):
    write_coco(tmp_path / "empty.json", annotations=())
    write_coco(tmp_path / "full.json")
    empty, full = (
        {"data_root": str(tmp_path), "ann_file": f"{name}.json", "type": "CocoDataset"}
        for name in ("empty", "full")
    )
    check_annotations([("a", empty), ("b", {"type": "VOCDataset"})])
    check_annotations([])
    check_annotations([("a", empty), ("b", full)])
    with pytest.raises(UserError, match=r"a.ann_file, b.ann_file: no annotations are in .*empty"):
        check_annotations([("a", empty), ("b", empty)])


def test_a_file_of_background_may_stand_beside_another(custom, coco_folder, write_coco, tmp_path):
    cfg = custom()
    full, empty = cfg.train_dataloader.dataset, copy.deepcopy(cfg.val_dataloader.dataset)
    write_coco(tmp_path / "empty.json", tmp_path / "a.png", ("dark", "light"), annotations=())
    empty.update(data_root=str(tmp_path), ann_file="empty.json", data_prefix={"img": ""})
    cfg.train_dataloader.dataset = {"type": "ConcatDataset", "datasets": [full, empty]}
    check(cfg, ("train", "val"))
    cfg.train_dataloader.dataset = empty
    with pytest.raises(UserError, match="train_dataloader.dataset.ann_file: no annotations are in"):
        check(cfg, ("train", "val"))
    cfg = custom()
    cfg.val_dataloader.dataset = empty
    check(cfg, ("train", "val"))


def test_data_on_a_storage_is_read_from_there(custom, bucket, coco_folder):
    cfg, name, there = custom(), coco_folder.name, bucket(coco_folder.parent)
    dataset = cfg.val_dataloader.dataset
    dataset.update(data_root=name, backend_args=there)
    dataset.pipeline[0].backend_args = there
    cfg.val_evaluator.update(ann_file=f"{name}/annotations/val.json", backend_args=there)
    check(cfg, ("val",))
    assert DATASETS.build(dataset)[0]["inputs"].shape[0] == 3
    assert METRICS.build(cfg.val_evaluator)._coco_api.getImgIds()
    dataset.ann_file = "gone.json"
    with pytest.raises(UserError, match="val_dataloader.dataset.ann_file: cannot fetch .*/gone"):
        check(cfg, ("val",))


@pytest.mark.parametrize(
    "options",
    [{"device": "cuda:1"}, {"optim_wrapper__type": "AmpOptimWrapper"}, {}],
)
def test_a_gpu_that_is_not_there_is_an_error(load, monkeypatch, options):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "" if options else "0")
    with pytest.raises(UserError, match="asks for a GPU, but torch") as caught:
        check_device(load("retinanet_r50", **options), ("train", "val"))
    is_mixed = "optim_wrapper__type" in options
    assert ("retina_plugin.MixedPrecisionOptimWrapper" in str(caught.value)) is is_mixed


def test_a_test_asks_for_no_gpu_where_only_training_would(load, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    check_device(load("retinanet_r50", optim_wrapper__type="AmpOptimWrapper"), ("test",))


@pytest.mark.parametrize("visible", ["0", "2,3", "GPU-8d3", "MIG-1f"])
def test_numbers_and_names_of_gpus_ask_for_them(load, monkeypatch, visible):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match=f"CUDA_VISIBLE_DEVICES={visible} asks for a GPU"):
        check_device(load("retinanet_r50"), ("test",))


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles", "none"])
def test_a_cpu_is_enough_where_nothing_asks_for_more(load, monkeypatch, visible):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    check_device(load("retinanet_r50", device="cpu"), ("train", "val"))
