"""Mutations of an image file, each with what must come of it."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from .bad_annotations import ERROR, FINE
from .coco_case import SIZE, picture, valid_content

FILE = "2.png"  # of image id 12
WORDS: tuple[str, ...] = (FILE, "image id 12")
ORIENTATION = 274  # EXIF tag


@dataclass(frozen=True)
class ImageMutation:
    """Bytes in place of an image; None leaves it away."""

    name: str
    verdict: str
    data: bytes | None
    size: tuple[int, int] = SIZE  # width and height that the annotation file gives

    @property
    def raw(self) -> bytes:
        """The annotation file."""
        content = valid_content()
        content["images"][1].update(width=self.size[0], height=self.size[1])
        return json.dumps(content).encode()


def image_mutations() -> Iterator[ImageMutation]:
    """All of them."""
    yield from _broken()
    yield from _of_another_size()
    for name, data in _unusual():
        yield ImageMutation(name, FINE, data)


def _broken() -> Iterator[ImageMutation]:
    jpg, png = encoded("JPEG"), encoded("PNG")
    files = {
        "no file": None,
        "an empty image": b"",
        "text": b"no image at all",
        "HTML": b"<!doctype html><title>404 Not Found</title>",
        "JSON": b"{}",
        "zeros": bytes(5000),
        "noise": np.random.default_rng(1).bytes(5000),
        "a JPEG's first bytes": jpg[:2],
        "a PNG's first bytes": png[:8],
        "a GIF's first bytes": b"GIF89a",
        "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'/>",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\nshowpage\n",
    }
    for share in (0.05, 0.2, 0.5, 0.9, 0.99):
        files[f"a JPEG cut at {share:.0%}"] = jpg[: int(share * len(jpg))]
        files[f"a PNG cut at {share:.0%}"] = png[: int(share * len(png))]
    middle = len(png) // 2
    files["a PNG with a hole"] = png[:middle] + bytes(64) + png[middle + 64 :]
    files["a bomb as PNG"] = declaring_png(40000, 40000)
    files["a bomb of 1 column"] = declaring_png(1, 2**31 - 1)
    files["a PNG without a side"] = declaring_png(0, 48)
    files["a bomb as JPEG"] = declaring_jpg(65500, 65500)
    files["a large JPEG"] = declaring_jpg(20000, 20000)
    for name, data in files.items():
        yield ImageMutation(name, ERROR, data)


def _of_another_size() -> Iterator[ImageMutation]:
    for width, height in ((32, 24), (63, 48), (64, 49), (128, 96), (1, 1)):
        data = encoded("PNG", size=(width, height))
        yield ImageMutation(f"a copy of {width} x {height}", ERROR, data)
    for turn in range(1, 9):
        data = encoded("JPEG", exif=_turned(turn))
        turned = turn > 4  # by a quarter
        yield ImageMutation(f"EXIF orientation {turn}", ERROR if turned else FINE, data)
        size = SIZE[::-1] if turned else SIZE
        yield ImageMutation(f"EXIF orientation {turn}, size after it", FINE, data, size)
    for width, height in ((4000, 2), (2, 4000)):
        data = encoded("PNG", size=(width, height))
        yield ImageMutation(f"an image of {width} x {height}", ERROR, data, (width, height))


def _turned(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    return exif


def _unusual() -> Iterator[tuple[str, bytes]]:
    for mode in ("L", "LA", "RGBA", "P", "1", "I;16"):
        yield f"a PNG of mode {mode}", encoded("PNG", mode)
    for mode in ("L", "CMYK"):
        yield f"a JPEG of mode {mode}", encoded("JPEG", mode)
    for kind in ("GIF", "BMP", "TIFF", "WEBP", "PPM"):
        yield f"{kind} under another name", encoded(kind)
    yield "a progressive JPEG", encoded("JPEG", progressive=True)
    yield "a moving GIF", encoded("GIF", save_all=True, append_images=[Image.new("RGB", SIZE)])
    yield "a JPEG with more after its end", encoded("JPEG") + b"more"
    yield "three channels of 16 bits", _png16()


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = SIZE, **options: object) -> bytes:
    """An image file in memory."""
    pixels = cv2.resize(picture(), size)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode != "RGB":
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _png16() -> bytes:
    return cv2.imencode(".png", picture().astype(np.uint16) * 257)[1].tobytes()


def declaring_png(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds a few pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def declaring_jpg(width: int, height: int) -> bytes:
    """A JPEG that declares a size and holds SIZE."""
    data = bytearray(encoded("JPEG"))
    start = data.find(b"\xff\xc0")  # the marker before the size
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)
