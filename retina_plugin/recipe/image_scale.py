"""The size that images are resized to, in one place."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from .annotations import read_annotations
from .datasets import datasets_of, pipelines_of, written_for
from .paths import full_ann_file
from .report import Change

# The paper's scale: longest and shortest side in pixels.
LARGEST = (1333, 800)


def native_scale(cfg: Config) -> tuple[int, int]:
    """The median long and short side of the training images in pixels, at most 1333 and 800.

    Raises:
        UserError: the annotation file does not give every image's size.
    """
    _, key, dataset = next(iter(datasets_of(cfg)))
    size = read_annotations(dataset, key).median_size
    if size is None:
        raise UserError(
            f"image_scale='auto' needs width and height of every image in "
            f"{full_ann_file(dataset)}: "
            "add them, or set image_scale to (LONG,SHORT) in pixels."
        )
    return min(size[0], LARGEST[0]), min(size[1], LARGEST[1])


def _resizes(transforms: Any) -> Iterator[dict]:
    if isinstance(transforms, dict):
        if "scale" in transforms:
            yield transforms
        transforms = transforms.get("transforms", [])
    for transform in transforms if isinstance(transforms, list | tuple) else ():
        yield from _resizes(transform)


def follow_image_scale(cfg: Config) -> list[Change]:
    """Gives the resizing transforms the config's `image_scale`; 'auto' takes the data's own.

    Transforms with another scale than the one that the config was written for stay. With None
    images keep their size.
    """
    written = written_for(cfg).get("image_scale")
    asked = cfg.get("image_scale", written)
    resizes = [
        (f"{key}: {transform['type']}.scale", transform)
        for key, pipeline in pipelines_of(cfg)
        for transform in _resizes(list(pipeline))
    ]
    if asked is None:
        return _keep_sizes(resizes, written)
    if asked == written != "auto":
        return []
    scale = native_scale(cfg) if asked == "auto" else _sides(asked)
    changes = []
    for key, transform in resizes:
        if _same(transform["scale"], written) and not _same(scale, written):
            transform["scale"] = scale
            changes.append(Change(key, scale, "follows image_scale"))
    if not any(_same(transform["scale"], scale) for _, transform in resizes):
        changes.append(Change("image_scale", scale, "WARNING: no transform reads this key"))
    return changes


def _sides(asked: Any) -> tuple[int, int]:
    """Both sides in pixels."""
    sides = (asked, asked) if isinstance(asked, int) else asked
    is_pair = isinstance(sides, list | tuple) and len(sides) == 2
    if not is_pair or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UserError(
            "image_scale expects (LONG, SHORT) in pixels, one number for both, 'auto' or None, but "
            f"got {asked!r}."
        )
    return sides[0], sides[1]


def _keep_sizes(resizes: list[tuple[str, dict]], written: Any) -> list[Change]:
    changes = []
    for key, transform in resizes:
        if any(_same(transform["scale"], each) for each in ("auto", written)):
            del transform["scale"]
            transform["scale_factor"] = 1.0
            changes.append(Change(f"{key}_factor", 1.0, "image_scale=None: images keep their size"))
    return changes


def _same(one: Any, other: Any) -> bool:
    return one == other or (
        isinstance(one, list | tuple)
        and isinstance(other, list | tuple)
        and list(one) == list(other)
    )
