"""What an image file says of itself before it is decoded."""

from PIL import Image

# Those that OpenCV reads as well; Pillow knows others that start programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")


def declared_size(path: str) -> tuple[int, int] | None:
    """Width and height in the header of an image file, None where it has none that is known.

    Raises:
        OSError: it declares so many pixels that decoding them would fill the memory.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise OSError(f"it is as large as a decompression bomb: {error}") from error
    except Exception:  # whatever is wrong, the decoder says it better
        return None
