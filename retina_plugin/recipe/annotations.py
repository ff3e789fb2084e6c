"""Reads a COCO annotation file for what a config needs to know of it."""

import json
import os
import statistics
from functools import lru_cache
from typing import Any, NamedTuple

from ..errors import UserError


class Summary(NamedTuple):
    """What is kept of an annotation file, which itself may hold gigabytes."""

    names: tuple[str, ...]
    first_image: str
    annotations: int
    median_size: tuple[int, int] | None


def read_annotations(path: str, key: str) -> Summary:
    """Category names in the file's order, first image, number of annotations and median size.

    The size is (longer, shorter) side in pixels, None where the file does not give all of them.
    A file is read once, however often asked for.

    Args:
        path: the file.
        key: where the config names it, for messages.

    Raises:
        UserError: the file is missing, empty, no JSON, lists no images or no categories, or has
            a category without a name or two of one name.
    """
    if not os.path.isfile(path):
        raise UserError(f"{key}: there is no annotation file {path}.")
    status = os.stat(path)
    return _summary(path, key, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _summary(path: str, key: str, modified_ns: int, size: int) -> Summary:
    if size == 0:
        raise UserError(f"{key}: the annotation file {path} is empty.")
    content = _parsed(path, key)
    for field in ("images", "categories"):
        entries = content.get(field) if isinstance(content, dict) else None
        if not entries or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{key}: {path} lists no {field}, which the COCO format requires.")
    return Summary(
        names=_names(content["categories"], path, key),
        first_image=str(content["images"][0].get("file_name", "")),
        annotations=len(content.get("annotations") or ()),
        median_size=_median_size(content["images"]),
    )


def _parsed(path: str, key: str) -> Any:
    try:
        # utf-8-sig: some exporters write a byte order mark.
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{key}: {path} is not valid JSON ({error}).") from error


def _names(categories: list[dict[str, Any]], path: str, key: str) -> tuple[str, ...]:
    names = tuple(str(category.get("name") or "") for category in categories)
    if not all(names):
        raise UserError(f"{key}: {path} has a category without a name.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{key}: {path} has several categories named {', '.join(twice)}.")
    return names


def _median_size(images: list[dict[str, Any]]) -> tuple[int, int] | None:
    sizes: list[tuple[float, float]] = []
    for image in images:
        width, height = image.get("width"), image.get("height")
        if not isinstance(width, int | float) or not isinstance(height, int | float):
            return None
        sizes.append((width, height))
    longer, shorter = (statistics.median(map(side, sizes)) for side in (max, min))
    return round(longer), round(shorter)
