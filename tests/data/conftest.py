import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "Resize", "scale": (64, 64), "keep_ratio": True},
    {"type": "RandomFlip", "prob": 0.0},  # MMDetection 3.0 packs what it writes
    {"type": "PackDetInputs"},
]


def box(number, image=1, category=1, bbox=(10, 10, 20, 20), **more):
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(bbox), **more}


@pytest.fixture
def content():
    """Two images of 64 x 48 px with two boxes each; categories cat (1) and dog (2)."""
    images = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in (1, 2)]
    boxes = [box(number, image=1 + number // 3, category=2 - number % 2) for number in range(1, 5)]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    return {"images": images, "annotations": boxes, "categories": categories}


@pytest.fixture
def build(tmp_path):
    """A dataset of some content, with its images as grey PNG files."""

    def made(content, **options):
        for image in content["images"]:
            path = tmp_path / image["file_name"]
            if not path.exists():
                cv2.imwrite(str(path), np.full((48, 64, 3), 90, dtype=np.uint8))
        (tmp_path / "a.json").write_text(json.dumps(content))
        cfg = {
            "type": "retina_plugin.CocoDataset",
            "data_root": str(tmp_path),
            "ann_file": "a.json",
            "metainfo": {"classes": ("cat", "dog")},
            "pipeline": PIPELINE,
        }
        return DATASETS.build({**cfg, **options})

    return made
