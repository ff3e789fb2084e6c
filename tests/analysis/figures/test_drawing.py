import pytest
import torch
from matplotlib.axes import Axes

from retina_plugin.analysis.figures import drawing
from retina_plugin.analysis.figures.drawing import (
    FORMATS,
    draw_cumulative,
    draw_focal_loss,
    draw_forms,
    draw_histograms,
    draw_speed,
)
from retina_plugin.analysis.figures.loss_distribution import Examples

SPEEDS = {
    "on an M40": {"RetinaNet": [("800", 153, 35.7), ("400", 64, 30.5)], "others": [("A", 25, 21)]},
    "here": {"others": [("B", 1500, 40)]},
}


@pytest.fixture
def examples():
    found = Examples.none()
    labels = torch.where(torch.rand(300) < 0.1, 0, 1)
    found.add(torch.randn(300, 1), labels, torch.ones(300, dtype=torch.bool))
    return found


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("figure1_focal_loss", lambda folder, _: draw_focal_loss(folder)),
        ("figure5_6_focal_loss_forms", lambda folder, _: draw_forms(folder)),
        ("figure4_cumulative_loss", draw_cumulative),
        ("p_t_over_training", lambda folder, of: draw_histograms(folder, {1: of, 2: of}, "epochs")),
        ("figure2_speed", lambda folder, _: draw_speed(folder, SPEEDS, joined=["RetinaNet"])),
    ],
)
def test_a_figure_is_written_as_png_and_svg_and_always_the_same(name, draw, tmp_path, examples):
    for run in ("first", "second"):
        draw(tmp_path / run, examples)
    for kind in FORMATS:
        content = (tmp_path / "first" / f"{name}.{kind}").read_bytes()
        assert len(content) > 4000
        assert content == (tmp_path / "second" / f"{name}.{kind}").read_bytes()


def test_a_line_joins_the_points_of_a_group_from_the_fastest_on(tmp_path, monkeypatch):
    drawn = {}
    plot = Axes.plot

    def seen(axes, *points, **style):
        drawn[axes.get_title(), style["label"]] = (*map(list, points), style["linestyle"])
        return plot(axes, *points, **style)

    monkeypatch.setattr(Axes, "plot", seen)
    draw_speed(tmp_path, SPEEDS, joined=["RetinaNet"])
    lines = {label: points for (_, label), points in drawn.items()}
    assert lines["RetinaNet"] == ([64, 153], [30.5, 35.7], "-")
    assert lines["others"][2] == "none"


def test_of_a_line_the_ends_have_their_names_of_others_every_point(tmp_path, monkeypatch):
    written, found = [], []
    monkeypatch.setattr(
        drawing,
        "name_points",
        lambda _, named, lines: (written.extend(named), found.extend(lines)),
    )
    of_line = [("600", 98, 34.3), ("800", 153, 35.7), ("400", 64, 30.5)]
    of_others = [("A", 25, 21.0), ("B", 61, 28.0), ("C", 85, 28.0)]
    panel = {"RetinaNet": of_line, "others": of_others, "a single one": [("D", 90, 30.0)]}
    draw_speed(tmp_path, {"here": panel}, joined=["RetinaNet", "a single one"])
    assert [point.name for point in written] == ["400", "800", "A", "B", "C", "D"]
    assert found[0] == [(64, 30.5), (98, 34.3), (153, 35.7)]
    assert found[1:] == [[(25, 21.0)], [(61, 28.0)], [(85, 28.0)], [(90, 30.0)]]
