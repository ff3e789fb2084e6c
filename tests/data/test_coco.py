import shutil

import pytest
from mmdet.registry import DATASETS

from retina_plugin.errors import UserError

PIPELINE = [{"type": "LoadImageFromFile"}]


@pytest.fixture
def dataset(coco_folder, tmp_path):
    shutil.copytree(coco_folder, tmp_path / "coco")
    cfg = {
        "type": "retina_plugin.CocoDataset",
        "data_root": str(tmp_path / "coco"),
        "ann_file": "annotations/val.json",
        "data_prefix": {"img": "images/"},
        "metainfo": {"classes": ("dark", "light")},
        "pipeline": PIPELINE,
    }
    return DATASETS.build(cfg)


def test_a_good_image_is_prepared_as_by_mmdetection(dataset):
    assert dataset[0]["img"].shape == (64, 64, 3)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_unreadable_image_is_named_with_its_id(dataset, tmp_path, content):
    path = tmp_path / "coco" / "images" / "val1.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read image .*val1.png \(image id 2\)") as caught:
        dataset[1]
    assert "\n" not in str(caught.value)
