"""Scenes of handwritten digits over photographs, with the box of every digit.

Digits are scikit-learn's bundled scans (the test part of the UCI optical digits, 1,797 scans of
8 x 8 pixels); photographs are its two bundled ones. Scans and photo regions of the validation
scenes are never in a training scene.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

SIZE = 192  # pixels, of a square scene
DIGITS = (2, 6)  # how many in a scene
SIDE = (36, 96)  # pixels, height of a digit before it is cut to its ink
# Share of each photograph's width from which a split takes its backgrounds, with a gap between.
REGIONS = {"train": (0.0, 0.62), "val": (0.65, 1.0)}
SHARE_OF_SCANS = 0.8  # for training, from the beginning of the file
INK = 0.35  # opacity from which a pixel belongs to a digit


@dataclass(frozen=True)
class Material:
    """What the scenes of a split are made of."""

    scans: np.ndarray  # (M, 8, 8) opacity in 0..1
    labels: np.ndarray  # (M,) 0..9
    photos: list[np.ndarray]  # (H, W, 3) uint8, BGR


def material(split: str) -> Material:
    """Scans and photo regions of `train` or `val`; the two share nothing."""
    digits = load_digits()
    cut = int(SHARE_OF_SCANS * len(digits.images))
    part = slice(None, cut) if split == "train" else slice(cut, None)
    left, right = REGIONS[split]
    photos = [
        np.ascontiguousarray(
            photo[:, int(left * photo.shape[1]) : int(right * photo.shape[1]), ::-1]
        )
        for photo in load_sample_images().images
    ]
    return Material(digits.images[part] / 16, digits.target[part], photos)


def make_scene(
    stock: Material, generator: np.random.Generator
) -> tuple[np.ndarray, list[int], list[list[int]]]:
    """One scene: image (SIZE, SIZE, 3) uint8 BGR, labels, boxes in pixels, xyxy."""
    canvas = _background(stock, generator)
    labels: list[int] = []
    boxes: list[list[int]] = []
    for _ in range(generator.integers(DIGITS[0], DIGITS[1] + 1)):
        index = generator.integers(len(stock.scans))
        opacity = _rendered(stock.scans[index], generator)
        box = _free_place(opacity.shape, boxes, generator)
        if box is None:
            continue
        _paint(canvas[box[1] : box[3], box[0] : box[2]], opacity, generator)
        labels.append(int(stock.labels[index]))
        boxes.append(box)
    return canvas, labels, boxes


def _background(stock: Material, generator: np.random.Generator) -> np.ndarray:
    photo = stock.photos[generator.integers(len(stock.photos))]
    side = int(generator.integers(100, min(photo.shape[:2]) + 1))
    top, left = (int(generator.integers(length - side + 1)) for length in photo.shape[:2])
    crop = photo[top : top + side, left : left + side]
    if generator.random() < 0.5:
        crop = crop[:, ::-1]
    return cv2.resize(np.ascontiguousarray(crop), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def _rendered(scan: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Opacity of an enlarged, slightly turned scan, cut to its ink."""
    height = int(generator.integers(SIDE[0], SIDE[1] + 1))
    width = int(height * generator.uniform(0.85, 1.15))
    padded = cv2.resize(np.pad(scan, 1), (width, height), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), generator.uniform(-12, 12), 1.0)
    opacity = cv2.warpAffine(padded, turn, (width, height)).clip(0, 1)
    rows, columns = (np.flatnonzero((opacity > INK).any(axis)) for axis in (1, 0))
    return opacity[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _free_place(
    shape: tuple[int, ...], taken: list[list[int]], generator: np.random.Generator
) -> list[int] | None:
    """A box of that shape that meets no other one; None if twenty tries found none."""
    height, width = shape
    for _ in range(20):
        left, top = (int(generator.integers(SIZE - length + 1)) for length in (width, height))
        box = [left, top, left + width, top + height]
        if not any(_meet(box, other) for other in taken):
            return box
    return None


def _meet(box: list[int], other: list[int]) -> bool:
    return all(box[i] < other[i + 2] and other[i] < box[i + 2] for i in (0, 1))


def _paint(region: np.ndarray, opacity: np.ndarray, generator: np.random.Generator) -> None:
    """Draw light ink on dark ground and dark ink on light ground, in place."""
    dark_ground = region.mean() < 127
    ink = generator.uniform(170, 255, 3) if dark_ground else generator.uniform(0, 85, 3)
    alpha = np.minimum(opacity * 1.6, 1)[..., None]
    region[:] = (alpha * ink + (1 - alpha) * region).astype(np.uint8)
