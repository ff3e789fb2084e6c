"""Between a dataset's labels and the categories of COCO's format."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UserError


def categories_of_labels(coco: Any, meta: dict) -> list[int]:
    """Category ids in the order of the labels.

    Args:
        coco: the annotations, as pycocotools has them.
        meta: of the dataset; its labels follow the file's order, as MMDetection's do, unless
            `labels_follow` says that they follow `classes`.

    Raises:
        UserError: a class that the annotations lack.
    """
    if meta.get("labels_follow") != "classes":
        return coco.get_cat_ids(cat_names=meta["classes"])
    ids = {category["name"]: category["id"] for category in coco.dataset["categories"]}
    missing = [name for name in meta["classes"] if name not in ids]
    if missing:
        raise UserError(
            f"val_evaluator.ann_file has no category {missing[0]!r}, which the dataset has; it "
            f"has {', '.join(map(str, ids))}: evaluate on the annotations of the dataset."
        )
    return [ids[name] for name in meta["classes"]]


def annotations(images: Sequence[dict], cat_ids: Sequence[int]) -> list[dict]:
    """Detections of all images as COCO annotations.

    Args:
        images: `img_id`, `bboxes` (M, 4) pixels, xyxy, `scores` (M,) and `labels` (M,) each.
        cat_ids: category of each label.
    """
    found: list[dict] = []
    for image in images:
        boxes = image["bboxes"].astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        areas = (boxes[:, 2] * boxes[:, 3]).tolist()
        columns = (boxes.tolist(), areas, image["scores"].tolist(), image["labels"].tolist())
        for box, area, score, label in zip(*columns, strict=True):
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image["img_id"],
                    "category_id": cat_ids[label],
                    "bbox": box,
                    "area": area,
                    "score": score,
                    "iscrowd": 0,
                }
            )
    return found
