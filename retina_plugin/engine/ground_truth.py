"""The ground truth of an evaluation, checked and completed for COCO's evaluator."""

import math
from typing import Any

from mmdet.datasets.api_wrappers import COCO
from mmengine.fileio import get_local_path

from ..data.coco_file import read_coco
from ..errors import UserError
from ..log import warn
from .evaluators import coco_of


def read_truth(ann_file: str, backend_args: dict | None, by_id: bool = False) -> COCO:
    """MMDetection's COCO object of a file.

    Args:
        ann_file: in COCO's format.
        backend_args: of MMEngine's storage.
        by_id: whether categories are sorted by their ids.

    Raises:
        UserError: the file cannot be read, or has a box that is not finite.
    """
    with get_local_path(ann_file, backend_args=backend_args) as path:
        content = read_coco(str(path), str(ann_file))
    complete_truth(content, str(ann_file))
    if by_id:
        content["categories"].sort(key=lambda category: category["id"])
    truth = coco_of(COCO, content)
    truth.img_ann_map, truth.cat_img_map = truth.imgToAnns, truth.catToImgs
    return truth


def complete_truth(dataset: dict, source: str) -> None:
    """Fill in what COCO's evaluator needs of each box, and say how much was filled in.

    A missing `iscrowd` becomes 0, a missing `area` width times height.

    Args:
        dataset: in COCO's layout; it is changed.
        source: the file that it comes from.

    Raises:
        UserError: a box or area of an annotation is not made of finite numbers.
    """
    filled = {"iscrowd": 0, "area": 0}
    boxes = dataset.get("annotations", [])
    for annotation in boxes:
        _check_numbers(annotation, source)
        width, height = annotation["bbox"][2:]
        for key, value in (("iscrowd", 0), ("area", width * height)):
            if annotation.get(key) is None:
                annotation[key] = value
                filled[key] += 1
    if any(filled.values()):
        warn(
            f"{source}: of {len(boxes)} annotations {filled['iscrowd']} lack iscrowd, taken for 0, "
            f"and {filled['area']} lack area, taken for width times height of the box."
        )
    if any(annotation.get("id") == 0 for annotation in boxes):
        warn(
            f"{source} has an annotation with id 0, which COCO's evaluator counts as not found "
            "even where it was: number annotations from 1."
        )
    if not boxes:
        warn(f"{source} has no annotation: every AP is -1, COCO's sign for nothing to be found.")


def _check_numbers(annotation: dict, source: str) -> None:
    box, area = annotation.get("bbox"), annotation.get("area")
    values = [*box, 0 if area is None else area] if isinstance(box, list | tuple) else []
    if len(values) == 5 and all(_is_finite(value) for value in values):
        return
    raise UserError(
        f"{source}: annotation id {annotation.get('id')} of image id {annotation.get('image_id')} "
        f"needs a bbox of 4 finite numbers and no or a finite area, but has bbox={box!r} and "
        f"area={area!r}: correct or remove it."
    )


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
