import numpy as np

from retina_plugin.engine.labels import annotations


def test_annotations_by_hand():
    image = {
        "img_id": 4,
        "bboxes": np.array([[1.0, 2.0, 4.0, 8.0]], dtype=np.float32),
        "scores": np.array([0.5], dtype=np.float32),
        "labels": np.array([1]),
    }
    first, second = annotations([image, {**image, "img_id": 5}], cat_ids=[3, 7])
    assert first == {
        "id": 1,
        "image_id": 4,
        "category_id": 7,
        "bbox": [1, 2, 3, 6],
        "area": 18,
        "score": 0.5,
        "iscrowd": 0,
    }
    assert (second["id"], second["image_id"]) == (2, 5)
