"""Dataclasses from the small JSON files that tools keep, with every value of the declared type."""

import json
import types
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

from ..bounds import FINITE
from ..errors import UserError

T = TypeVar("T")


def content_of(path: Path, what: str) -> Any:
    """What a JSON file holds.

    Args:
        path: of the file.
        what: it should hold, for the message.

    Raises:
        UserError: it is missing, or no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} holds no {what}: {error}.") from error


def instance(kind: type[T], content: Any, path: Path, what: str) -> T:
    """A dataclass of what was read.

    Raises:
        UserError: a field is missing, unknown or of another type, or a number is not finite.
    """
    hints = get_type_hints(kind)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no {what}: {content!r:.60} is no JSON object.")
    for name, value in content.items():
        if name in hints and not fits(value, hints[name]):
            raise UserError(
                f"{path} holds no {what}: {name} is {value!r:.80}, not {_said(hints[name])}."
            )
    try:
        return kind(**content)
    except TypeError as error:
        raise UserError(f"{path} holds no {what}: {error}.") from error


def fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type; a tuple is a list there, and a number is finite."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if origin is list:
        return isinstance(value, list) and all(fits(each, inner[0]) for each in value)
    if origin is tuple:
        same_length = isinstance(value, list) and len(value) == len(inner)
        return same_length and all(map(fits, value, inner))
    if origin is dict:
        return isinstance(value, dict) and all(fits(each, inner[1]) for each in value.values())
    if kind is float:
        return is_number(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number that a float can hold."""
    return value in FINITE


def _said(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict:
        return f"names, each with {_said(inner[1])}"
    if origin is tuple:
        return f"a list of {len(inner)}"
    if origin is list:
        return f"a list, each of it {_said(inner[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(_said, inner))
    return {float: "a finite number", int: "a whole number", str: "a text"}.get(kind, "null")
