"""Mutations of an annotation file, each with what must come of it."""

import json
import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .coco_case import ANN_FILE, valid_content

NAN, INF = math.nan, math.inf
MISSING = object()
Values = tuple[Any, ...]
ERROR, DROP, FINE = "error", "drop", "fine"
WHERE = {
    "images": ("image id 12",),
    "annotations": ("annotation id 103", "image id 12"),
    "categories": ("category id 3",),
}
INDEX = {"images": 1, "annotations": 3, "categories": 1}


@dataclass(frozen=True)
class Mutation:
    """A change of the file."""

    name: str
    verdict: str  # what must come of it: ERROR, DROP or FINE
    raw: bytes
    words: tuple[str, ...] = ()  # that an error must hold
    ann_file: str = ANN_FILE


def mutations() -> Iterator[Mutation]:
    """All of them."""
    for verdict, part, field, values in FIELDS:
        for value in values:
            yield _of_field(verdict, part, field, value)
    for verdict, name, change, words in CONTENTS:
        content = valid_content()
        change(content)
        named = words if any(".png" in word for word in words) else (ANN_FILE, *words)
        yield Mutation(name, verdict, json.dumps(content).encode(), named)
    for verdict, name, raw in FILES:
        yield Mutation(name, verdict, raw, (ANN_FILE,))
    for name in ("a.pkl", "a.pickle"):
        yield Mutation(f"named {name}", ERROR, pickle.dumps(valid_content()), (name,), name)
    yield Mutation("no such file", ERROR, b"{}", ("b.json",), "b.json")


def _of_field(verdict: str, part: str, field: str, value: Any) -> Mutation:
    content = valid_content()
    entry = content[part][INDEX[part]]
    if value is MISSING:
        entry.pop(field, None)
    else:
        entry[field] = value
    shown = "missing" if value is MISSING else repr(value)[:40]
    where = WHERE[part] if field not in ("id", "image_id") else WHERE[part][:0]
    if field == "image_id":
        where = WHERE[part][:1]
    raw = json.dumps(content).encode()
    return Mutation(f"{part}: {field} {shown}", verdict, raw, (ANN_FILE, field, *where))


NO_INTEGER: Values = (MISSING, None, "12", "", 1.5, True, [], {}, NAN, INF, 10**30)
NO_SIDE: Values = (*NO_INTEGER, 0, -64, 2**40)
NO_TEXT: Values = (MISSING, None, "", "  ", 5, [], {}, True)
OUT = ("/etc/hostname", "../../x.png", "..", "http://host/x.png", "C:\\x.png")
NO_PATH = ("a\0b", "\ud800", "a\nb.png")
NO_BOX: Values = (
    *(MISSING, None, "1,2,3,4", 7, True, {}, [], [1, 2, 3], [1, 2, 3, 4, 5], [[1, 2, 3, 4]]),
    *(["1", "2", "3", "4"], [1, 2, 3, None], [1, 2, 3, True], [1, 2, [3], 4], {"x": 1, "y": 2}),
)
LOST_BOX = (
    *([5, 5, 0, 10], [5, 5, 10, 0], [5, 5, -10, 10], [5, 5, 10, -10], [5, 5, 0.5, 10]),
    *([5, 5, 10, 1e-9], [NAN, 5, 10, 10], [5, NAN, 10, 10], [5, 5, NAN, 10], [5, 5, 10, NAN]),
    *([5, 5, INF, 10], [-INF, 5, INF, 10], [1e39, 5, 10, 10], [5, 5, 10**400, 10], [NAN] * 4),
    *([64, 5, 10, 10], [5, 48, 10, 10], [-30, 5, 10, 10], [5, -30, 10, 10], [900, 900, 9, 9]),
    *([63.5, 5, 10, 10], [5, -9.5, 10, 10], [0, 0, 0, 0]),
)
KEPT_BOX = (
    *([-5, -5, 20, 20], [0, 0, 64, 48], [-100, -100, 900, 900], [5.25, 5.5, 10.75, 10.5]),
    *([60, 40, 20, 20], [5, 5, 1, 1], [5.0, 5, 10, 10.0], [-1e30, 0, 2e30, 20]),
)
ANYTHING: Values = (
    MISSING,
    None,
    [],
    {},
    "x",
    [[1, 1, 9, 1, 9, 9]],
    [[NAN]],
    {"counts": "0", "size": []},
)

FIELDS: tuple[tuple[str, str, str, tuple], ...] = (
    (ERROR, "annotations", "id", NO_INTEGER),
    (ERROR, "annotations", "image_id", NO_INTEGER),
    (ERROR, "annotations", "category_id", NO_INTEGER),
    (ERROR, "annotations", "id", (102, 102.0)),
    (FINE, "annotations", "id", (0, -5, 9e9, 103.0)),
    (FINE, "annotations", "image_id", (12.0,)),
    (FINE, "annotations", "category_id", (3.0,)),
    (DROP, "annotations", "image_id", (0, -1, 999)),
    (DROP, "annotations", "category_id", (0, -1, 2, 999)),
    (ERROR, "annotations", "bbox", NO_BOX),
    (DROP, "annotations", "bbox", LOST_BOX),
    (FINE, "annotations", "bbox", KEPT_BOX),
    (FINE, "annotations", "area", (MISSING, None, 1e-3, 1e30)),
    (DROP, "annotations", "area", (0, -5, NAN)),
    (ERROR, "annotations", "area", ("400", [], {}, True)),
    (FINE, "annotations", "iscrowd", (MISSING, None, True, 1, 0.0)),
    (ERROR, "annotations", "iscrowd", ("0", 2, [], NAN)),
    (FINE, "annotations", "ignore", (0, False, None)),
    (DROP, "annotations", "ignore", (1, True)),
    (ERROR, "annotations", "ignore", ("yes", [0])),
    (FINE, "annotations", "segmentation", ANYTHING),
    (FINE, "annotations", "keypoints", ANYTHING),
    (ERROR, "images", "id", NO_INTEGER),
    (ERROR, "images", "id", (13, 13.0)),
    (ERROR, "images", "width", (*NO_SIDE, 63, 640)),
    (ERROR, "images", "height", (*NO_SIDE, 64)),
    (FINE, "images", "width", (64.0,)),
    (ERROR, "images", "file_name", (*NO_TEXT, *NO_PATH, *OUT)),
    (FINE, "images", "file_name", ("1.jpg", "./2.png")),
    (FINE, "images", "license", ANYTHING),
    (FINE, "images", "coco_url", ANYTHING),
    (ERROR, "categories", "id", (*NO_INTEGER, 1)),
    (ERROR, "categories", "name", NO_TEXT),
    (FINE, "categories", "supercategory", ANYTHING),
)


NOTHING: Values = ([], None, {})


def _set(part: str, value: Any) -> Callable[[dict], None]:
    return lambda content: content.__setitem__(part, value)


def _without(part: str) -> Callable[[dict], None]:
    return lambda content: content.__delitem__(part)


def _rename(content: dict) -> None:
    content["categories"][1]["name"] = "dgo"


def _double(content: dict) -> None:
    content["categories"].append({"id": 9, "name": "dog"})


def _swap_sides(content: dict) -> None:
    image = content["images"][1]
    image["width"], image["height"] = image["height"], image["width"]


def _move_out(count: int) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        for box in content["annotations"][:count]:
            box["bbox"] = [500, 500, 10, 10]

    return change


def _shift_categories(content: dict) -> None:
    for box in content["annotations"]:
        box["category_id"] -= 1


def _renumber(content: dict) -> None:
    for part in ("annotations", "categories"):
        for entry in content[part]:
            key = "category_id" if part == "annotations" else "id"
            entry[key] = {1: 2**40, 3: 0}[entry[key]]


def _only_crowds(content: dict) -> None:
    for box in content["annotations"]:
        box["iscrowd"] = 1


def _no_file(content: dict) -> None:
    content["images"][1]["file_name"] = "no such file.png"


CONTENTS: tuple[tuple[str, str, Callable[[dict], object], tuple[str, ...]], ...] = (
    *(
        (ERROR, f"{part} {value!r}", _set(part, value), (part,))
        for part in ("images", "categories", "annotations")
        for value in (*NOTHING, {"1": {}}, "x", 5, [1], [[]], [None])
    ),
    *((ERROR, f"no {part}", _without(part), (part,)) for part in ("images", "categories")),
    (ERROR, "no annotations", _without("annotations"), ()),
    (ERROR, "a class misspelt", _rename, ("did you mean 'dgo'",)),
    (ERROR, "two categories of one name", _double, ("dog",)),
    (FINE, "categories in reverse", lambda c: c["categories"].reverse(), ()),
    (FINE, "images in reverse", lambda c: c["images"].reverse(), ()),
    (FINE, "annotations in reverse", lambda c: c["annotations"].reverse(), ()),
    (FINE, "one more category", lambda c: c["categories"].append({"id": 7, "name": "cow"}), ()),
    (FINE, "other category ids", _renumber, ()),
    (FINE, "more keys", lambda c: c.update(info=None, licenses={}, type=[1]), ()),
    (ERROR, "width and height swapped", _swap_sides, ("2.png", "image id 12")),
    (ERROR, "an image twice", lambda c: c["images"].append(dict(c["images"][0])), ("image id 11",)),
    (ERROR, "all boxes outside", _move_out(8), ("8 outside the image",)),
    (ERROR, "most boxes outside", _move_out(5), ("5 outside the image",)),
    (DROP, "half of the boxes outside", _move_out(4), ()),
    (ERROR, "category ids one too low", _shift_categories, ("category_id",)),
    (ERROR, "a file that is not there", _no_file, ("no such file.png", "image id 12")),
    (ERROR, "crowds only", _only_crowds, ("no box",)),
)

VALID = json.dumps(valid_content())
FILES: tuple[tuple[str, str, bytes], ...] = (
    *(
        (ERROR, f"all is {text}", text.encode())
        for text in ("[]", "{}", "null", "5", '"x"', "[{}]")
    ),
    (ERROR, "an empty file", b""),
    (ERROR, "white space", b" \n"),
    (ERROR, "a brace", b"{"),
    *(
        (ERROR, f"cut at {share:.0%}", VALID.encode()[: int(share * len(VALID))])
        for share in (0.1, 0.5, 0.99)
    ),
    (ERROR, "more after the end", VALID.encode() + b"}"),
    (ERROR, "UTF-16", VALID.encode("utf-16")),
    (ERROR, "bytes", bytes(range(256))),
    (ERROR, "a pickle", pickle.dumps({"images": []})),
    (ERROR, "nested deep", b"[" * 100000),
    (ERROR, "a number of 10,000 digits", b'{"images": ' + b"9" * 10000 + b"}"),
    (ERROR, "single quotes", repr(valid_content()).encode()),
    (ERROR, "XML", b"<annotation><object/></annotation>"),
    (FINE, "a byte order mark", b"\xef\xbb\xbf" + VALID.encode()),
    (
        FINE,
        "line ends of Windows",
        json.dumps(valid_content(), indent=1).replace("\n", "\r\n").encode(),
    ),
    (FINE, "a key twice", VALID.replace('{"images":', '{"images": 3, "images":', 1).encode()),
)
