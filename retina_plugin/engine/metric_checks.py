"""What an evaluation is given: COCO's evaluator takes NaN for a perfect match, and says nothing."""

from collections.abc import Container

import numpy as np

from ..errors import UserError
from ..log import warn

NUMBERS = ("bboxes", "scores", "mask_scores")


def check_result(
    result: dict, path: str | None, class_count: int | None, images: Container | None
) -> None:
    """Check the detections of an image. Scores only order them, and may have any finite value.

    Args:
        result: `img_id`, `bboxes` (M, 4), `scores` (M,) and `labels` (M,) as arrays.
        path: of the image, if known.
        class_count: K, labels being 0..K-1; None leaves labels unchecked.
        images: ids of the ground truth's images; None where it comes with the results.

    Raises:
        UserError: a box or score that is not finite, a label of no class, an unknown image id.
    """
    where = f"image id {result['img_id']}" + (f" ({path})" if path else "")
    if images is not None and result["img_id"] not in images:
        raise UserError(
            f"The results hold {where}, which the ground truth lacks: val_evaluator.ann_file must "
            "be the file that the dataset reads."
        )
    for name in NUMBERS:
        values = np.asarray(result.get(name, ()))
        if not np.isfinite(values).all():
            rows = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            raise UserError(
                f"{(~rows).sum()} of {len(rows)} detections of {where} have {name} that are not "
                "finite, which COCO's evaluator would count as perfect: look for NaN in the "
                "weights or in the image."
            )
    labels = result["labels"]
    if class_count is not None and len(labels):
        low, high = labels.min(), labels.max()
        if low < 0 or high >= class_count:
            raise UserError(
                f"A detection of {where} has the label {low if low < 0 else high}, but there are "
                f"{class_count} classes, labels 0..{class_count - 1}: make "
                "model.bbox_head.num_classes and the classes of the dataset's metainfo agree."
            )


def say_coverage(ids: set, total: int) -> None:
    """Say how many images of the ground truth have no result; their boxes count as missed."""
    if len(ids) < total:
        warn(
            f"Results cover {len(ids)} of the {total} images of the ground truth; what the others "
            "hold counts as missed."
        )
