"""The demo's data set on disk: complete, and the same for the same seed."""

import json

import cv2
import pytest

from retina_plugin.data.scene_files import CLASSES, make_scenes
from retina_plugin.data.scenes import DIGITS, SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    make_scenes(root, train=6, val=4)
    return root


def annotations(folder, split):
    return json.loads((folder / f"annotations/{split}.json").read_text())


@pytest.mark.parametrize(("split", "count"), [("train", 6), ("val", 4)])
def test_files_are_complete_coco(folder, split, count):
    content = annotations(folder, split)
    assert [image["id"] for image in content["images"]] == list(range(1, count + 1))
    assert tuple(category["name"] for category in content["categories"]) == CLASSES
    for image in content["images"]:
        picture = cv2.imread(str(folder / "images" / image["file_name"]))
        assert picture.shape == (SIZE, SIZE, 3)
        number = sum(a["image_id"] == image["id"] for a in content["annotations"])
        assert 1 <= number <= DIGITS[1]
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert x >= 0
        assert y >= 0
        assert max(x + width, y + height) <= SIZE
        assert annotation["area"] == width * height > 100
        assert 1 <= annotation["category_id"] <= 10


def test_same_seed_makes_the_same_files(folder, tmp_path):
    make_scenes(tmp_path, train=6, val=4)
    for path in sorted(folder.rglob("*.*")):
        assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes()
    make_scenes(tmp_path, train=6, val=4, seed=1)
    assert annotations(folder, "train") != annotations(tmp_path, "train")
