"""The demo's scenes: boxes tight and apart, validation apart from training."""

import numpy as np

from retina_plugin.data.scenes import SIZE, Material, make_scene, material


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
