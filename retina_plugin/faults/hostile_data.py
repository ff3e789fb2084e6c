"""Data sets that reach out of their folder, and an image that is small on the disk alone."""

import json
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.registry import DATASETS

from .hostile import Hostile, Opening, Scene

OUTSIDE = "outside|leaves|symlink|link"
SIDE = 60_000  # pixels of the large image, 10.8 GB decoded


def _openings(root: Path, ann_file: str) -> tuple[Opening, Opening]:
    def open_first(kind: str, **options: Any) -> object:
        return DATASETS.build(
            {
                "type": kind,
                "data_root": str(root),
                "ann_file": ann_file,
                "data_prefix": {"img": "images/"},
                "metainfo": {"classes": ("a",)},
                "pipeline": [{"type": "LoadImageFromFile"}],
                "serialize_data": False,
                **options,
            }
        )[0]

    ours = partial(open_first, "retina_plugin.CocoDataset", allow_outside=False)
    return ours, partial(open_first, "mmdet.CocoDataset")


def _written(scene: Scene, file_name: str, size: tuple[int, int] = (8, 8)) -> Path:
    """A data set of one image, and an image outside of it."""
    root = scene.folder / "data"
    (root / "images").mkdir(parents=True)
    cv2.imwrite(str(scene.folder / "outside.png"), np.zeros((8, 8, 3), np.uint8))
    image = {"id": 1, "file_name": file_name, "width": size[0], "height": size[1]}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "a"}]}
    (root / "a.json").write_text(json.dumps(content))
    return root


def _annotations(scene: Scene) -> tuple[Opening, Opening]:
    root = _written(scene, "inside.png")
    (scene.folder / "outside.png").rename(root / "images" / "inside.png")
    (root / "a.json").rename(scene.folder / "a.json")
    return _openings(root, "../a.json")


def _image(scene: Scene) -> tuple[Opening, Opening]:
    return _openings(_written(scene, "../../outside.png"), "a.json")


def _absolute(scene: Scene) -> tuple[Opening, Opening]:
    return _openings(_written(scene, str(scene.folder / "outside.png")), "a.json")


def _link(scene: Scene) -> tuple[Opening, Opening]:
    root = _written(scene, "a.png")
    (root / "images" / "a.png").symlink_to(scene.folder / "outside.png")
    return _openings(root, "a.json")


def _bomb(scene: Scene) -> tuple[Opening, Opening]:
    root = _written(scene, "a.png", (SIDE, SIDE))
    (root / "images" / "a.png").write_bytes(_black_png(SIDE))
    return _openings(root, "a.json")


def _black_png(side: int) -> bytes:
    """The header of a black image, and the first of its lines."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(3 * side + 1) * 4)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", lines), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


KINDS = (
    Hostile("annotations outside of data_root", _annotations, OUTSIDE),
    Hostile("image outside of data_root", _image, OUTSIDE),
    Hostile("absolute path of an image", _absolute, OUTSIDE),
    Hostile("link to outside of data_root", _link, OUTSIDE),
    Hostile("decompression bomb", _bomb, r"60[,_ ]?000|pixels|large"),
)
