"""What an image file says of itself before it is decoded."""

import os
from typing import BinaryIO

from PIL import Image

# Those that OpenCV reads as well; Pillow knows others that start programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")


PNG = b"\x89PNG\r\n\x1a\n"


def declared_size(path: str) -> tuple[int, int] | None:
    """Width and height in the header of an image file, None where it has none that is known.

    Raises:
        OSError: it cannot be opened, or declares so much that decoding it would fill the memory.
    """
    with open(path, "rb") as file:
        if file.read(len(PNG)) == PNG:
            _check_chunks(file)
        try:
            return Image.open(file, formats=FORMATS).size
        except Image.DecompressionBombError as error:
            raise OSError(f"it is as large as a decompression bomb: {error}") from error
        except Exception:  # whatever is wrong, the decoder says it better
            return None


def _check_chunks(file: BinaryIO) -> None:
    """Hold the lengths of a PNG's chunks against the file; OpenCV allocates what they declare."""
    place, end = len(PNG), os.fstat(file.fileno()).st_size
    kind = b""
    while place < end and kind != b"IEND":
        file.seek(place)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        place += 12 + length  # the length, the kind, the data, a checksum
        if place > end:
            raise OSError(f"it ends {place - end} bytes before a part that it declares")
