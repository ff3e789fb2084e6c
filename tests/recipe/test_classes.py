import pytest
from mmengine.config import ConfigDict

from retina_plugin.errors import UserError
from retina_plugin.recipe import resolve
from retina_plugin.recipe.classes import (
    check_classes,
    check_same_classes,
    classes_in_file,
    configured_classes,
    fill_classes,
    heads_of,
    is_coco,
    palette,
)


@pytest.fixture
def custom(load, coco_folder):
    def build(**options):
        return resolve(load("retinanet_custom", data_root=str(coco_folder), **options), say=None)

    return build


def check(cfg):
    check_classes(cfg, "train", "train_dataloader.dataset", cfg.train_dataloader.dataset)


def check_val(cfg):
    check_classes(cfg, "val", "val_dataloader.dataset", cfg.val_dataloader.dataset)


def test_colours_differ_and_are_bytes():
    colours = palette(90)
    assert len(set(colours)) == 90
    assert all(0 <= part <= 255 for colour in colours for part in colour)
    assert palette(0) == []


def test_classes_of_the_file_pass_and_are_filled_in(custom, coco_folder):
    cfg = custom()
    check(cfg)
    assert classes_in_file(cfg.train_dataloader.dataset, "k") == ("dark", "light")
    assert configured_classes(cfg.train_dataloader.dataset) == ("dark", "light")
    assert len(cfg.train_dataloader.dataset.metainfo.palette) == 2


def test_classes_set_by_hand_win(custom):
    cfg = custom(train_dataloader__dataset__metainfo={"classes": ("light",)})
    assert cfg.train_dataloader.dataset.metainfo.classes == ("light",)
    assert cfg.val_dataloader.dataset.metainfo.classes == ("light",)
    assert cfg.model.bbox_head.num_classes == 1
    check(cfg)


def test_other_keys_of_metainfo_stay(custom):
    colours = [(1, 2, 3), (4, 5, 6)]
    cfg = custom(train_dataloader__dataset__metainfo={"palette": colours})
    assert cfg.train_dataloader.dataset.metainfo.classes == ("dark", "light")
    assert cfg.train_dataloader.dataset.metainfo.palette == colours


def test_files_to_train_with_have_the_same_classes(load, write_coco, tmp_path):
    """Of the other, the objects of a further class would be background."""
    for name, names in (("a", ("cat",)), ("b", ("cat", "dog")), ("c", ("dog", "cat"))):
        write_coco(tmp_path / f"{name}.json", tmp_path / "a.png", names)
    cfg = load("retinanet_custom", data_root=str(tmp_path))
    inner = {**cfg.train_dataloader.dataset, "data_root": str(tmp_path)}
    for split in ("val", "test"):
        cfg[f"{split}_dataloader"].dataset.ann_file = str(tmp_path / "b.json")

    def training(*names):
        datasets = [{**inner, "ann_file": f"{name}.json"} for name in names]
        cfg.train_dataloader.dataset = {"type": "ConcatDataset", "datasets": datasets}
        return cfg

    with pytest.raises(UserError, match=r"b.json has the classes cat, dog, but .* with cat: obj"):
        fill_classes(training("a", "b"))
    fill_classes(training("b", "c"))  # an order of its own is what CocoDataset goes by
    inner_ones = cfg.train_dataloader.dataset.datasets
    assert {each.metainfo.classes for each in inner_ones} == {("cat", "dog")}


def test_a_label_means_the_same_in_all_datasets(custom):
    cfg = custom()
    datasets = [(name, cfg[f"{name}_dataloader"].dataset) for name in ("train", "val")]
    check_same_classes(datasets)
    cfg.val_dataloader.dataset.metainfo.classes = ("light", "dark")
    with pytest.raises(UserError, match="val.metainfo.classes are light, dark, those of train da"):
        check_same_classes(datasets)


def test_configs_with_fixed_classes_are_left_alone(load):
    assert fill_classes(load("retinanet_r50")) == []


def test_a_wrong_number_of_classes_is_an_error(custom):
    with pytest.raises(UserError, match="num_classes is 5, .* set it to 2"):
        check(custom(model__bbox_head__num_classes=5))


def test_a_name_that_the_file_lacks_comes_with_the_nearest(custom):
    cfg = custom(train_dataloader__dataset__metainfo={"classes": ("dark", "lihgt")})
    with pytest.raises(UserError, match="'lihgt' .did you mean 'light'.*1 of 2"):
        check(cfg)


def test_another_order_than_the_file_is_for_our_own_dataset_and_metric(custom):
    cfg = custom(train_dataloader__dataset__metainfo={"classes": ("light", "dark")})
    check(cfg)
    check_val(cfg)
    cfg.val_evaluator.type = "CocoMetric"
    check(cfg)
    with pytest.raises(UserError, match="val_evaluator.type to retina_plugin.CocoMetric"):
        check_val(cfg)
    cfg.train_dataloader.dataset.type = "mmdet.CocoDataset"
    with pytest.raises(UserError, match="dataset.type to retina_plugin.CocoDataset"):
        check(cfg)


def test_one_string_is_not_a_list_of_names(custom):
    cfg = custom(train_dataloader__dataset__metainfo={"classes": "dark"})
    with pytest.raises(UserError, match="expected a tuple of names, got 'dark'"):
        check(cfg)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CocoDataset", True),
        ("retina_plugin.CocoDataset", True),
        ("VOCDataset", False),
        ("LVISV1Dataset", False),
        ("NoSuchDataset", False),
    ],
)
def test_only_coco_datasets_are_read_as_such(name, expected):
    assert is_coco(ConfigDict(type=name)) is expected


TWO_STAGES = ConfigDict(
    backbone={"num_classes": 1000},
    rpn_head={"num_classes": 1},
    roi_head={
        "bbox_head": [{"num_classes": 80}, {"num_classes": 80, "loss_cls": {"num_classes": 80}}],
        "mask_head": {"num_classes": 80},
        "semantic_head": {"num_classes": 183},
    },
)


def test_heads_of_a_second_stage_tell_classes_apart_too():
    assert [key for key, _ in heads_of(TWO_STAGES)] == [
        "model.roi_head.bbox_head.0",
        "model.roi_head.bbox_head.1",
        "model.roi_head.bbox_head.1.loss_cls",
        "model.roi_head.mask_head",
    ]


def test_all_heads_that_leave_it_open_follow_the_classes(load, coco_folder):
    cfg = load("retinanet_custom", data_root=str(coco_folder))
    cfg.model = {"roi_head": {"bbox_head": {"num_classes": None}, "mask_head": {"num_classes": 7}}}
    cfg = resolve(cfg, say=None)
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    with pytest.raises(UserError, match="roi_head.mask_head.num_classes is 7, .* set it to 2"):
        check(cfg)
