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
# They take no scale_factor.
RANDOM = ("RandomChoiceResize", "RandomResize")


def native_scale(cfg: Config) -> tuple[int, int]:
    """The median long and short side of the training images in pixels, at most 1333 and 800.

    Raises:
        UserError: the annotation file does not give every image's size.
    """
    _, key, dataset = next(iter(datasets_of(cfg)))
    size = read_annotations(dataset, key).median_size
    if size is None:
        raise UserError(
            "image_scale='auto' needs width and height of every image in "
            f"{full_ann_file(dataset)}: add them, or set image_scale to (LONG,SHORT) in pixels."
        )
    return min(size[0], LARGEST[0]), min(size[1], LARGEST[1])


def _resizes(transforms: Any) -> Iterator[dict]:
    if isinstance(transforms, dict):
        if "scale" in transforms or "scales" in transforms:
            yield transforms
        transforms = transforms.get("transforms", [])
    for transform in transforms if isinstance(transforms, list | tuple) else ():
        yield from _resizes(transform)


def scales_of(transforms: Any) -> Iterator[tuple[int, int]]:
    """All scales in pixels that transforms resize to, one or several each."""
    for transform in _resizes(transforms):
        for scale in (transform.get("scale"), *_several(transform)):
            sides = scale if isinstance(scale, list | tuple) else [scale]
            if all(isinstance(side, int) for side in sides):
                yield _sides(scale)


def follow_image_scale(cfg: Config) -> list[Change]:
    """Gives the resizing transforms the config's `image_scale`; 'auto' takes the data's own.

    Transforms with another scale than the one that the config was written for stay; those that draw
    from several stay with a warning. With None images keep their size, also where the scale that
    the config was written for is one of several.
    """
    written = written_for(cfg).get("image_scale")
    asked = cfg.get("image_scale", written)
    resizes = [
        (key, transform)
        for key, pipeline in pipelines_of(cfg)
        for transform in _resizes(list(pipeline))
    ]
    if asked is None:
        return _keep_sizes(resizes, written)
    if asked == written != "auto":
        return []
    scale = native_scale(cfg) if asked == "auto" else _sides(asked)
    changes = _followed(resizes, written, scale)
    return changes if _same(asked, written) else changes + _not_reached(resizes, scale)


def _followed(
    resizes: list[tuple[str, dict]], written: Any, scale: tuple[int, int]
) -> list[Change]:
    changes = []
    for key, transform in resizes:
        if _same(transform.get("scale"), written) and not _same(scale, written):
            transform["scale"] = scale
            name = f"{key}: {transform['type']}.scale"
            changes.append(Change(name, scale, "follows image_scale"))
    if not any(_same(transform.get("scale"), scale) for _, transform in resizes):
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
        scales = [transform["scale"]] if "scale" in transform else []
        scales += _several(transform)
        if any(_same(scale, each) for scale in scales for each in ("auto", written)):
            _keep_size(transform)
            name = f"{key}: {transform['type']}.scale_factor"
            changes.append(Change(name, 1.0, "image_scale=None: images keep their size"))
    return changes if written is None else changes + _not_reached(resizes, None)


def _keep_size(transform: dict) -> None:
    """Makes a transform that resizes to a scale, given or drawn, resize by the factor 1."""
    if str(transform["type"]).rpartition(".")[2] in RANDOM:
        transform["type"] = transform.get("resize_type", "Resize")
    for key in ("scale", "scales", "ratio_range", "resize_type"):
        transform.pop(key, None)
    transform["scale_factor"] = 1.0


def _several(transform: dict) -> list:
    """The scales that a transform draws from, for each image anew; none if it has one scale."""
    if "scales" in transform:
        scales = transform["scales"]
        return scales if isinstance(scales, list) else [scales]
    scale: Any = transform.get("scale")
    is_list = isinstance(scale, list | tuple)
    return list(scale) if is_list and all(isinstance(each, list | tuple) for each in scale) else []


def _not_reached(resizes: list[tuple[str, dict]], scale: Any) -> list[Change]:
    """Says which transforms go on drawing from scales of their own."""
    reason = f"WARNING: scales to draw from do not follow image_scale={scale}"
    return [
        Change(f"{key}: {transform['type']}", _several(transform), reason)
        for key, transform in resizes
        if _several(transform) and not any(_same(each, scale) for each in _several(transform))
    ]


def _same(one: Any, other: Any) -> bool:
    return one == other or (
        isinstance(one, list | tuple)
        and isinstance(other, list | tuple)
        and list(one) == list(other)
    )
