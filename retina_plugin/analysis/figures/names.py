"""Names beside points, where they cover no point, no line, no other name and no axis."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

# Tried in this order: from a point to its name, in points, and the side that faces it.
PLACES = (
    (7, -3, "left"),
    (4, -14, "left"),
    (4, 8, "left"),
    (-7, -3, "right"),
    (-4, -14, "right"),
    (-4, 8, "right"),
)
STYLE: Any = {"textcoords": "offset points", "size": 9}
MARKER = 8.0  # the side of the square, in points, that a marker takes
ON_A_LINE = 25  # samples from one of its points to the next


class Named(NamedTuple):
    """A point in data coordinates, with what stands beside it."""

    name: str
    x: float
    y: float
    color: str


def plain(text: str) -> str:
    """A text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def name_points(
    axes: Axes, points: Sequence[Named], lines: Sequence[Sequence[tuple[float, float]]]
) -> None:
    """Write each name at the first of `PLACES` that is free, or at the first where none is.

    Args:
        axes: laid out already, as places are found on the canvas.
        points: to be named, in this order.
        lines: of points (x, y), which names must not cover; a single point is one too.
    """
    taken = [_around(axes, at) for line in lines for at in _samples(line)]
    for point in points:
        notes = [_written(axes, point, *place) for place in PLACES]
        boxes = [note.get_window_extent() for note in notes]
        free = [
            number
            for number, box in enumerate(boxes)
            if box.x0 >= axes.bbox.x0 and not box.count_overlaps(taken)
        ]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        for note in notes[:chosen] + notes[chosen + 1 :]:
            note.remove()


def _written(axes: Axes, point: Named, right: float, up: float, side: str) -> Annotation:
    name = plain(point.name)
    place: Any = {"xytext": (right, up), "ha": side, "color": point.color}
    return axes.annotate(name, (point.x, point.y), **place, **STYLE)


def _around(axes: Axes, at: tuple[float, float]) -> Bbox:
    """The box on the canvas that a marker takes."""
    x, y = axes.transData.transform(at)
    half = MARKER / 2 * axes.figure.dpi / 72
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def _samples(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Its points, and others between them."""
    steps = np.linspace(0, 1, ON_A_LINE)
    found: list[tuple[float, float]] = [line[0]]
    for (x, y), (next_x, next_y) in zip(line, line[1:], strict=False):
        found += zip(x + steps * (next_x - x), y + steps * (next_y - y), strict=True)
    return found
