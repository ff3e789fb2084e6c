import pytest

from retina_plugin.errors import UserError
from retina_plugin.faults.loopback import served
from retina_plugin.recipe.layout import find_files
from retina_plugin.recipe.paths import follow_data_root


def found(load, root, **options):
    cfg = load("retinanet_custom", data_root=str(root), **options)
    follow_data_root(cfg)
    find_files(cfg)
    datasets = (cfg.train_dataloader.dataset, cfg.val_dataloader.dataset)
    return [(dataset.ann_file, dataset.data_prefix.img) for dataset in datasets]


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (("annotations/train.json", "images/"), ("annotations/val.json", "images/")),
        (("annotations/train.json", "images/train/"), ("annotations/val.json", "images/val/")),
        (
            ("annotations/instances_train2017.json", "train2017/"),
            ("annotations/instances_val2017.json", "val2017/"),
        ),
        (
            ("annotations/instances_train.json", "train/"),
            ("annotations/instances_val.json", "val/"),
        ),
        (("train/_annotations.coco.json", "train/"), ("valid/_annotations.coco.json", "valid/")),
        (("train.json", ""), ("validation.json", "")),
    ],
)
def test_each_documented_layout_is_found(load, write_coco, tmp_path, train, val):
    for ann_file, folder in (train, val):
        write_coco(tmp_path / ann_file, tmp_path / folder / "a.png")
    assert found(load, tmp_path) == [train, val]


def test_files_named_by_hand_win(load, write_coco, tmp_path):
    write_coco(tmp_path / "mine.json", tmp_path / "here" / "a.png")
    write_coco(tmp_path / "annotations/train.json", tmp_path / "images" / "a.png")
    write_coco(tmp_path / "annotations/val.json")
    options = {
        "train_dataloader__dataset__ann_file": "mine.json",
        "train_dataloader__dataset__data_prefix__img": "here/",
    }
    assert found(load, tmp_path, **options)[0] == ("mine.json", "here/")


def test_a_missing_folder_is_named(load, tmp_path):
    with pytest.raises(UserError, match="data_root: there is no folder .*gone"):
        found(load, tmp_path / "gone")


def test_a_missing_split_lists_what_was_looked_for(load, write_coco, tmp_path):
    write_coco(tmp_path / "annotations/train.json", tmp_path / "images" / "a.png")
    with pytest.raises(UserError, match=r"no val annotations.*valid/_annotations.coco.json"):
        found(load, tmp_path)


def test_a_missing_image_folder_names_the_image(load, write_coco, tmp_path):
    write_coco(tmp_path / "train.json")
    with pytest.raises(UserError, match="'a.png', is in none of the folders images/"):
        found(load, tmp_path)


def test_other_configs_are_left_alone(load, tmp_path):
    assert find_files(load("retinanet_r50", data_root=str(tmp_path))) == []


def test_files_on_a_storage_are_not_looked_for(load, bucket, tmp_path):
    cfg = load("retinanet_custom", data_root="bucket://")
    follow_data_root(cfg)
    datasets = [
        cfg.train_dataloader.dataset,
        cfg.val_dataloader.dataset,
        cfg.test_dataloader.dataset,
    ]
    with pytest.raises(UserError, match="data_root: bucket:// is on a storage.*name the file"):
        find_files(cfg)
    for dataset in datasets:
        dataset.update(ann_file="a.json", backend_args=bucket(tmp_path))
    assert find_files(cfg) == []


def test_images_of_this_machine_are_found_for_a_file_at_an_address(load, coco_folder):
    with served(coco_folder) as address:
        options = {
            f"{split}_dataloader__dataset__ann_file": f"{address}/annotations/{name}.json"
            for split, name in (("train", "train"), ("val", "val"), ("test", "val"))
        }
        assert [folder for _, folder in found(load, coco_folder, **options)] == ["images/"] * 2


def test_images_at_an_address_are_not_looked_for(load, write_coco, tmp_path):
    write_coco(tmp_path / "a.json")
    options = {
        f"{split}_dataloader__dataset__ann_file": str(tmp_path / "a.json")
        for split in ("train", "val", "test")
    }
    assert found(load, "http://host/images", **options)[0] == (str(tmp_path / "a.json"), "")
