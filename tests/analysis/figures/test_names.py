import itertools

import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from retina_plugin.analysis.figures.names import PLACES, Named, name_points


@pytest.fixture
def axes():
    figure = Figure(figsize=(7, 4), dpi=100)
    return figure.subplots(subplot_kw={"xlim": (0, 100), "ylim": (0, 100)})


def written(axes):
    """Boxes on the canvas by the name that is in them."""
    return {note.get_text(): note.get_window_extent() for note in axes.texts}


def named(*points):
    return [Named(name, x, y, "#000000") for name, x, y in points]


def test_a_name_that_has_room_stands_at_the_right_of_its_point(axes):
    name_points(axes, named(("alone", 50, 50)), [[(50, 50)]])
    x, y = axes.transData.transform((50, 50))
    box = written(axes)["alone"]
    assert box.x0 > x
    assert box.y0 < y < box.y1


def test_names_of_points_in_a_row_cover_neither_points_nor_each_other(axes):
    points = [("first of them", 20, 50), ("second of them", 26, 50), ("third of them", 32, 50)]
    name_points(axes, named(*points), [[(x, y)] for _, x, y in points])
    boxes = written(axes)
    assert list(boxes) == [name for name, _, _ in points]
    for one, other in itertools.combinations(boxes.values(), 2):
        assert not one.overlaps(other)
    for _, x, y in points:
        left, low = axes.transData.transform((x, y)) - 4
        marker = Bbox.from_bounds(left, low, 8, 8)
        assert not marker.count_overlaps(boxes.values())


def test_a_name_does_not_cover_a_line(axes):
    line = [(20, 50), (80, 50)]
    name_points(axes, named(("the first", 20, 50)), [line])
    _, y = axes.transData.transform((20, 50))
    assert written(axes)["the first"].y1 < y


def test_a_name_does_not_reach_over_the_vertical_axis(axes):
    points = [("at the axis", 5, 50), ("a neighbour", 12, 50)]
    blocked = [[(5, 50), (12, 50)], [(5, 54), (30, 54)], [(5, 46), (30, 46)]]
    name_points(axes, named(*points), blocked)
    assert all(box.x0 >= axes.bbox.x0 for box in written(axes).values())


def test_without_any_room_every_name_is_written_still(axes):
    points = [(f"number {number}", 50, 50) for number in range(2 * len(PLACES))]
    name_points(axes, named(*points), [[(50, 50)]])
    assert list(written(axes)) == [name for name, _, _ in points]


def test_a_dollar_is_no_formula(axes):
    name_points(axes, named(("$a$", 50, 50)), [[(50, 50)]])
    assert axes.texts[0].get_text() == r"\$a\$"
