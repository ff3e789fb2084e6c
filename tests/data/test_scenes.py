"""The demo's scenes: deterministic, tight, and validation apart from training."""

import json

import cv2
import numpy as np
import pytest

from retina_plugin.data.scenes import CLASSES, SIZE, Material, make_scene, make_scenes, material


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
        assert 1 <= number <= 4
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


def test_splits_share_no_scan_and_no_photo_region():
    train, val = material("train"), material("val")
    scans = {scan.tobytes() for scan in train.scans}
    assert len(train.scans) + len(val.scans) == 1797
    assert not scans & {scan.tobytes() for scan in val.scans}
    assert set(train.labels) == set(val.labels) == set(range(10))
    for left, right in zip(train.photos, val.photos, strict=True):
        assert left.shape[1] + right.shape[1] < 640
        columns = {left[:, i].tobytes() for i in range(left.shape[1])}
        assert not columns & {right[:, i].tobytes() for i in range(right.shape[1])}


def test_boxes_are_tight_and_apart():
    """On a black photograph whatever is bright is ink."""
    generator = np.random.default_rng(0)
    scans = material("val").scans
    stock = Material(scans, np.zeros(len(scans), int), [np.zeros((200, 200, 3), np.uint8)])
    for _ in range(10):
        canvas, labels, boxes = make_scene(stock, generator)
        assert len(labels) == len(boxes)
        inside = np.zeros((SIZE, SIZE), int)
        for left, top, right, bottom in boxes:
            inside[top:bottom, left:right] += 1
            ink = canvas[top:bottom, left:right].max(-1) > 60
            assert all(edge.any() for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]))
        assert inside.max() == 1
        assert not canvas[inside == 0].any()
