"""Reads a COCO annotation file for what a config needs to know of it."""

import json
import os
import statistics
from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

from mmengine.config import ConfigDict
from mmengine.fileio import get_local_path

from ..data.coco_file import category_names, read_coco
from ..data.entries import LARGEST_SIDE
from ..errors import UserError
from .paths import full_ann_file, is_on_disk


class Summary(NamedTuple):
    """What is kept of an annotation file, which itself may hold gigabytes."""

    names: tuple[str, ...]
    first_image: str
    annotations: int
    median_size: tuple[int, int] | None
    objects: dict[str, int]  # of each class, crowds left out


def read_annotations(dataset: ConfigDict, key: str) -> Summary:
    """Category names in the file's order, first image, number of annotations and median size.

    The size is (longer, shorter) side in pixels, None where the file does not give all of them.
    A file is read once, however often asked for.

    Args:
        dataset: the config of a dataset.
        key: where the whole config has it, for messages.

    Raises:
        UserError: the file is missing, cannot be fetched, is empty, a pickle, no JSON, lists no
            images or no categories, or has a category without a name or two of one name.
    """
    path, key = full_ann_file(dataset), f"{key}.ann_file"
    if not is_on_disk(dataset, path):
        return _fetched(path, key, json.dumps(dataset.get("backend_args")))
    if not os.path.isfile(path):
        raise UserError(f"{key}: there is no annotation file {path}.")
    status = os.stat(path)
    return _on_disk(path, key, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _on_disk(path: str, key: str, modified_ns: int, size: int) -> Summary:
    return _summary(path, path, key)


@lru_cache(maxsize=8)
def _fetched(path: str, key: str, backend_args: str) -> Summary:
    try:
        with get_local_path(path, backend_args=json.loads(backend_args)) as copy:
            return _summary(str(copy), path, key)
    except UserError:
        raise
    except (OSError, ImportError, AssertionError, LookupError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{key}: cannot fetch {path}: {reason}.") from error


def _summary(file: str, path: str, key: str) -> Summary:
    try:
        content = read_coco(file, path)
        names = category_names(content["categories"], path)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    return Summary(
        names=names,
        first_image=str(content["images"][0].get("file_name", "")),
        annotations=len(content["annotations"]),
        median_size=_median_size(content["images"]),
        objects=_objects(content, names),
    )


def _objects(content: dict[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    rows = (each for each in content["annotations"] if isinstance(each, dict))
    counts = Counter(_number(each.get("category_id")) for each in rows if not each.get("iscrowd"))
    ids = (_number(category.get("id")) for category in content["categories"])
    return {name: counts[number] for name, number in zip(names, ids, strict=True)}


def _number(value: Any) -> float | str:
    """An id, of which 1.0 is 1; what is none by its text, which no other id has."""
    return value if isinstance(value, int | float) else repr(value)


def _median_size(images: list[dict[str, Any]]) -> tuple[int, int] | None:
    sizes: list[Any] = [(image.get("width"), image.get("height")) for image in images]
    if not all(_is_size(side) for size in sizes for side in size):
        return None
    longer, shorter = (statistics.median(map(side, sizes)) for side in (max, min))
    return round(longer), round(shorter)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value <= LARGEST_SIDE
