"""Random mutations of a JSON document, in its structure or in its bytes."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Place = tuple[Any, Any]  # a dict or list, and a key or index of it

BYTES_SHARE = 0.15  # of documents that are mutated in their bytes
MOST_CHANGES = 3


def hostile_value(random: np.random.Generator) -> Any:
    """A value that a careful reader has to think of."""
    return copy.deepcopy(VALUES[random.integers(len(VALUES))])


def _nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


NUMBERS = (
    *(0, -1, 1, 2, 3, 10, 12, 64, 1.0, 0.5, -0.5, 12.0, 1e-320, 1e308, -1e308, 2**31, 2**53 + 1),
    *(2**63, -(2**63), 2**64, 10**400, math.nan, math.inf, -math.inf),
)
TEXTS = (
    *("", " ", "0", "12", "nan", "cat", "dog", "1.jpg", ".", "..", "/", "../../x.png"),
    *("/etc/hosts", "http://host/x.png", "s3://b/x.png", "a\0b", "\ud800", "\n"),
    *("é" * 300, "x" * 10000),
)
OTHERS: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        [],
        {},
        [[]],
        [None] * 4,
        [0] * 4,
        [math.nan] * 4,
        [5, 5, 9, 9],
        ["1"] * 4,
    ),
    *(["1"] * 4, [1, 2, 3], [10**400] * 4, {"id": 1}, {"id": None}, {"bbox": []}, _nested(400)),
)
VALUES: tuple[Any, ...] = (*NUMBERS, *TEXTS, *OTHERS)


def places(value: Any) -> list[Place]:
    """Every place in a document, from the top down."""
    found: list[Place] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in list(keys):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def _replace(place: Place, random: np.random.Generator, _: list[Place]) -> None:
    place[0][place[1]] = hostile_value(random)


def _delete(place: Place, random: np.random.Generator, _: list[Place]) -> None:
    del place[0][place[1]]


def _duplicate(place: Place, random: np.random.Generator, _: list[Place]) -> None:
    holder, key = place
    again = copy.deepcopy(holder[key])
    if isinstance(holder, list):
        holder.insert(int(random.integers(len(holder) + 1)), again)
    else:
        holder[f"{key}2"] = again


def _swap(place: Place, random: np.random.Generator, all_places: list[Place]) -> None:
    (one, key), (other, other_key) = place, all_places[random.integers(len(all_places))]
    first, second = copy.deepcopy(one[key]), copy.deepcopy(other[other_key])
    one[key], other[other_key] = second, first


def _wrap(place: Place, random: np.random.Generator, _: list[Place]) -> None:
    holder, key = place
    holder[key] = [holder[key]] if random.random() < 0.5 else {"value": holder[key]}


CHANGES: tuple[Callable[[Place, np.random.Generator, list[Place]], None], ...] = (
    *(_replace, _replace, _replace),
    *(_delete, _duplicate, _swap, _wrap),
)


def mutated(document: Any, random: np.random.Generator) -> bytes:
    """A document with one change or some, as a file's bytes; the document itself stays."""
    if random.random() < BYTES_SHARE:
        return mutated_bytes(json.dumps(document).encode(), random)
    changed = copy.deepcopy(document)
    for _ in range(random.integers(1, MOST_CHANGES + 1)):
        listed = places(changed)
        if listed:
            change = CHANGES[random.integers(len(CHANGES))]
            change(listed[random.integers(len(listed))], random, listed)
    return json.dumps(changed).encode()


def mutated_bytes(data: bytes, random: np.random.Generator, head: int | None = None) -> bytes:
    """Bytes of which some are others, left out or doubled.

    Args:
        data: to be changed.
        random: decides.
        head: only as many bytes from the beginning are changed.
    """
    changed = bytearray(data)
    for _ in range(random.integers(1, 8)):
        at = int(random.integers(min(head or len(changed), len(changed)) or 1))
        kind = random.integers(8)
        if kind == 0:
            del changed[at:]
        elif kind == 1:
            del changed[at : at + int(random.integers(1, 20))]
        elif kind == 2:
            changed[at:at] = changed[at : at + 10]
        else:
            changed[at : at + 1] = bytes([random.integers(256)])
    return bytes(changed)
