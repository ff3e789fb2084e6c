"""Which annotations can be trained on, and a count of the others by reason."""

import logging
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..errors import UserError
from .entries import Entries

# Not what is asked for, which no ceiling counts; after them what is wrong. The first that fits
# an annotation is its reason.
NOT_ASKED = ("of other classes", "marked ignore")
WRONG = (
    "with a category_id that is not in categories",
    "with an image_id that is not in images",
    "with a box that is not finite",
    "narrower or lower than 1 px",
    "outside the image",
    "with area not above 0",
)
EXACT = 2.0**53  # from here on not every integer is a float
REASONS = (*NOT_ASKED, *WRONG)


class Images(NamedTuple):
    """Ids (I,) and sizes (I,) in pixels of the images of a file."""

    ids: np.ndarray
    widths: np.ndarray
    heights: np.ndarray


class Selection(NamedTuple):
    """What is known of A annotations."""

    image: np.ndarray  # (A,) index of the image; of any where it has none
    reason: np.ndarray  # (A,) index into REASONS, -1 where the annotation is kept


def select(entries: Entries, images: Images, in_file: np.ndarray, asked: np.ndarray) -> Selection:
    """Holds annotations against images and categories, and fills in missing areas and flags.

    Args:
        entries: the annotations.
        images: of the file.
        in_file: ids of all categories.
        asked: ids of those that are asked for.

    Raises:
        UserError: an annotation is malformed; it names annotation, image and field.
    """
    entries.ids()
    image_id, category = entries.integers("image_id"), entries.integers("category_id")
    crowd, ignore = entries.flags("iscrowd"), entries.flags("ignore")
    boxes = entries.boxes()
    with np.errstate(over="ignore", invalid="ignore"):
        area = entries.numbers("area", default=boxes[:, 2] * boxes[:, 3])
        image, is_known = _position(image_id, images.ids)
        wrong = (
            ~np.isin(category, in_file),
            ~is_known,
            *_box_faults(boxes, images.widths[image], images.heights[image]),
            ~(area > 0),
        )
    conditions = (np.isin(category, in_file) & ~np.isin(category, asked), ignore, *wrong)
    _fill(entries, area, crowd)
    for index in np.flatnonzero(np.abs(boxes).max(axis=1, initial=0) >= EXACT):
        entries.rows[index]["bbox"] = boxes[index].tolist()  # tensors take no longer integers
    reason = np.select(conditions, np.arange(len(REASONS)).tolist(), default=-1)
    return Selection(image, reason)


def _position(values: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of each value among others, and whether it is there at all."""
    order = np.argsort(among)
    place = np.searchsorted(among, values, sorter=order).clip(max=len(among) - 1)
    index = order[place]
    return index, among[index] == values


def _box_faults(boxes: np.ndarray, width: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, ...]:
    """Not finite, smaller than 1 px, outside: (A,) bool each; boxes are x, y, width, height."""
    corners = boxes.copy()
    corners[:, 2:] += corners[:, :2]
    # In single precision, as the boxes will be tensors.
    is_finite = np.isfinite(corners.astype(np.float32)).all(axis=1)
    is_small = np.invert((boxes[:, 2:] >= 1).all(axis=1))
    left, top, right, bottom = corners.T
    is_outside = (left >= width) | (top >= height) | (right <= 0) | (bottom <= 0)
    return np.invert(is_finite), is_small, is_outside


def _fill(entries: Entries, area: np.ndarray, crowd: np.ndarray) -> None:
    for field, values in (("area", area), ("iscrowd", crowd.astype(int))):
        column = entries.column(field)
        for index in (i for i, value in enumerate(column) if value is None):
            entries.rows[index][field] = values[index].item()


def report(entries: Entries, reason: np.ndarray, max_dropped: float) -> None:
    """Says how many annotations are left out and why.

    Raises:
        UserError: more than that share of the annotations that are asked for are wrong.
    """
    counts = np.bincount(reason[reason >= 0], minlength=len(REASONS))
    if not counts.any():
        return
    wrong = int(counts[len(NOT_ASKED) :].sum())
    asked = len(reason) - int(counts[: len(NOT_ASKED)].sum())
    listed = zip(counts, REASONS, strict=True)
    text = ", ".join(f"{count} {name}" for count, name in listed if count)
    if wrong:
        first = np.flatnonzero(reason >= len(NOT_ASKED))[0]
        text += f"; the first that is wrong is {entries.name(first)}"
    if wrong > max_dropped * asked:
        raise UserError(
            f"{entries.file}: {wrong} of {asked} annotations cannot be used, more than "
            f"max_dropped={max_dropped} allows ({text}): correct the file, or raise max_dropped."
        )
    level = logging.WARNING if wrong else logging.INFO
    message = f"{entries.file}: left out {counts.sum()} of {len(reason)} annotations: {text}."
    print_log(message, logger="current", level=level)
