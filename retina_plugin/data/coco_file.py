"""Reads a file in COCO format: its lists, and the names of its categories."""

import difflib
import gc
import json
import os
import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import UserError
from .entries import Entries

PICKLES = (".pkl", ".pickle")


def read_coco(path: str, name: str = "") -> dict[str, Any]:
    """The lists `images`, `categories` and `annotations` of a file; the last may be missing.

    Args:
        path: the file.
        name: what messages call it; its path without one.

    Raises:
        UserError: the file is missing, empty, a pickle, no JSON, or lists no images or categories.
    """
    name = name or path
    if path.lower().endswith(PICKLES):
        raise UserError(f"{name} is a pickle, which runs code when it is opened: give COCO JSON.")
    if not os.path.isfile(path):
        raise UserError(f"there is no annotation file {name}.")
    if os.path.getsize(path) == 0:
        raise UserError(f"the annotation file {name} is empty.")
    content = _parsed(path, name)
    if not isinstance(content, dict):
        raise UserError(f"{name} lists no images, which the COCO format requires.")
    if content.get("annotations") is None:
        content["annotations"] = []
    for field in ("images", "categories", "annotations"):
        _check_entries(content.get(field), field, name)
    return content


def _check_entries(entries: Any, field: str, name: str) -> None:
    is_list = isinstance(entries, list)
    if not is_list or not (entries or field == "annotations"):
        raise UserError(f"{name} lists no {field}, which the COCO format requires.")
    if set(map(type, entries)) - {dict}:
        number = next(i for i, entry in enumerate(entries) if not isinstance(entry, dict))
        raise UserError(
            f"{name}: entry number {number + 1} of {field} must be an object with named fields, "
            f"but it is {reprlib.repr(entries[number])}."
        )


def _parsed(path: str, name: str) -> Any:
    try:
        # utf-8-sig: some exporters write a byte order mark.
        with open(path, encoding="utf-8-sig") as file, collection_paused():
            return json.load(file)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid JSON ({error}).") from error


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep Python from looking for garbage meanwhile, which takes half of the time of reading."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def category_names(categories: list[dict[str, Any]], name: str) -> tuple[str, ...]:
    """Names of the categories, in the file's order.

    Raises:
        UserError: a category without a name, or two of one name; `name` is that of the file.
    """
    names = tuple(Entries(name, "category", categories).texts("name"))
    twice = sorted({text for text in names if names.count(text) > 1})
    if twice:
        raise UserError(f"{name} has several categories named {', '.join(twice)}.")
    return names


def check_class_names(asked: Any, in_file: Sequence[str], name: str) -> None:
    """Holds the classes that are asked for against the names in a file.

    Raises:
        UserError: what is asked for is no list of different names, or the file lacks one of them.
    """
    if not isinstance(asked, list | tuple) or not all(isinstance(text, str) for text in asked):
        raise UserError(f"metainfo.classes: expected a tuple of names, got {reprlib.repr(asked)}.")
    if len(set(asked)) < len(asked) or not asked:
        raise UserError(f"metainfo.classes: expected names that differ, got {', '.join(asked)!r}.")
    missing = [text for text in asked if text not in in_file]
    if missing:
        raise UserError(
            f"metainfo.classes: {name} has no category {_with_hint(missing[0], in_file)} "
            f"({len(missing)} of {len(asked)} names are missing); it has {', '.join(in_file)}: "
            f"set metainfo.classes and model.bbox_head.num_classes, or use retinanet_custom.py."
        )


def _with_hint(text: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    return f"{text!r} (did you mean {close[0]!r}?)" if close else repr(text)
