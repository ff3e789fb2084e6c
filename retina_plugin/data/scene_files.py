"""The demo's data set: scenes as JPEG files, their boxes as COCO annotation files."""

import json
from pathlib import Path

import cv2
import numpy as np

from .scenes import SIZE, make_scene, material

CLASSES = tuple("0123456789")


def make_scenes(folder: Path, train: int = 2400, val: int = 200, seed: int = 0) -> None:
    """Write `images/` and `annotations/{train,val}.json`; the same seed writes the same files.

    Args:
        folder: made if missing.
        train: number of training scenes.
        val: number of validation scenes.
        seed: of everything random.
    """
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate({"train": train, "val": val}.items()):
        generator = np.random.default_rng([seed, number])
        content = _make_split(folder / "images", split, count, generator)
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))


def _make_split(folder: Path, split: str, count: int, generator: np.random.Generator) -> dict:
    stock = material(split)
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id in range(1, count + 1):
        canvas, labels, boxes = make_scene(stock, generator)
        name = f"{split}_{image_id:05d}.jpg"
        cv2.imwrite(str(folder / name), canvas, [cv2.IMWRITE_JPEG_QUALITY, 92])
        images.append({"id": image_id, "file_name": name, "width": SIZE, "height": SIZE})
        for label, box in zip(labels, boxes, strict=True):
            annotations.append(_annotation(len(annotations) + 1, image_id, label, box))
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _annotation(number: int, image_id: int, label: int, box: list[int]) -> dict:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {
        "id": number,
        "image_id": image_id,
        "category_id": label + 1,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
    }
