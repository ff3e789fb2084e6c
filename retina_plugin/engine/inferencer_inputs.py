"""What an inferencer is given, as images that a pipeline can take, and why something is none."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmengine.fileio import get_file_backend, join_path

from ..errors import UserError
from ..log import warn

SUFFIXES = (*IMG_EXTENSIONS, ".gif")


def images_of_folder(inputs: Any) -> Any:
    """The images of a folder, ordered by name; anything that is no folder as it is.

    Raises:
        UserError: the folder holds no image.
    """
    inputs = str(inputs) if isinstance(inputs, Path) else inputs
    if not isinstance(inputs, str):
        return inputs
    backend: Any = get_file_backend(inputs)
    if not hasattr(backend, "isdir") or not backend.isdir(inputs):  # a file, or a URL
        return inputs
    names = sorted(backend.list_dir_or_file(inputs, list_dir=False))
    images = [name for name in names if name.lower().endswith(SUFFIXES)]
    others = f"{len(names) - len(images)} of {len(names)} files"
    if not images:
        raise UserError(
            f"The folder {inputs} holds no image: {others} end in none of {', '.join(SUFFIXES)}."
        )
    if len(images) < len(names):
        warn(f"{others} of the folder {inputs} are left out, as they do not end like an image.")
    return [join_path(inputs, name) for name in images]


def name_of(given: Any, index: int) -> str:
    """What an input is called where it is spoken of: its path, or its number."""
    if isinstance(given, dict):
        given = given.get("img_path", given.get("img"))
    return str(given) if isinstance(given, str | Path) else f"input {index}"


def as_image(pixels: np.ndarray) -> np.ndarray:
    """An array as an image (H, W, 3) of pixel values 0..255, uint8 or float32.

    Grey is repeated, alpha left out, 16 bit brought to 8 as OpenCV does with files.

    Raises:
        UserError: it has no pixel, another layout or type, or values that are not finite.
    """
    if pixels.size == 0:
        raise UserError(f"an array of shape {pixels.shape} has no pixel.")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise UserError(
            f"an array is expected to be (height, width) or (height, width, 3), but has the shape "
            f"{pixels.shape}."
        )
    pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    return np.ascontiguousarray(_in_range(pixels))


def _in_range(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    if pixels.dtype.kind not in "iuf":
        raise UserError(f"an array of pixels is expected to hold numbers, not {pixels.dtype}.")
    low, high = pixels.min(), pixels.max()
    if not np.isfinite([low, high]).all():
        raise UserError("the array holds NaN or infinity.")
    if pixels.dtype.kind == "f":
        if 0 < high <= 1:
            warn(f"An array's values end at {high:.3g}; pixel values from 0 to 255 are expected.")
        return pixels.astype(np.float32)
    if low < 0 or high > 255:
        raise UserError(f"pixel values are expected from 0 to 255, but lie in {low}..{high}.")
    return pixels.astype(np.uint8)


def reason_of(error: Exception) -> str:
    """Why an image could not be prepared, in words that need no source code."""
    if isinstance(error, UserError):
        return str(error).rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    if isinstance(error, AssertionError) and "failed to load image" in str(error):
        return "OpenCV cannot decode it: it is damaged, cut off, or no image"
    if isinstance(error, cv2.error) and error.func == "imdecode_" and "empty" in error.err:
        return "the file is empty"
    if isinstance(error, cv2.error) and error.func == "resize" and "inv_scale" in error.err:
        return "it is so thin that nothing would be left of it at the scale of the test pipeline"
    if isinstance(error, cv2.error):
        return f"OpenCV failed in {error.func} ({error.err})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
