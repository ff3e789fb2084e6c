"""A picture shows every case, with the machine's limit beside it."""

from matplotlib import pyplot

from retina_plugin.analysis.benchmark.plot import plot
from retina_plugin.analysis.benchmark.rows import Row
from retina_plugin.analysis.benchmark.setting import Setting
from retina_plugin.analysis.timing import Measured


def rows():
    slow, fast = Measured(1.0, 0.9, 1.1, 0), Measured(0.1, 0.09, 0.2, 0)
    return [
        Row("assignment", Setting(gts=1), {"stock": slow, "ours": fast}, 0.01),
        Row("assignment", Setting(gts=5000), {"ours": fast}, 0.01),
    ]


def drawn(tmp_path, monkeypatch, vary):
    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    plot(rows() if vary else rows()[:1], vary, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000
    return figures[0].axes[0]


def test_lines_hold_the_sizes_at_which_a_case_was_measured(tmp_path, monkeypatch):
    axis = drawn(tmp_path, monkeypatch, "gts")
    lines = {line.get_label(): list(line.get_xdata()) for line in axis.lines}
    assert lines == {"stock": [1], "ours": [1, 5000], "the machine's limit": [1, 5000]}


def test_a_case_has_one_style_in_all_panels(tmp_path, monkeypatch):
    """Also where another case is missing before it."""
    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    fast = {"ours": Measured(0.1, 0.09, 0.2, 0)}
    more = [Row("loss", Setting(gts=gts), fast, None) for gts in (1, 5000)]
    plot(rows() + more, "gts", tmp_path / "p.png")
    lines = [line for axis in figures[0].axes for line in axis.lines if line.get_label() == "ours"]
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 1


def test_each_of_many_cases_has_a_style_of_its_own(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    cases = {f"case {i}": Measured(0.1, 0.09, 0.2, 0) for i in range(11)}
    plot([Row("nms", Setting(gts=gts), cases, None) for gts in (1, 2)], "gts", tmp_path / "p.png")
    lines = figures[0].axes[0].lines
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 11


def test_bars_hold_every_case(tmp_path, monkeypatch):
    axis = drawn(tmp_path, monkeypatch, None)
    assert [round(bar.get_height()) for bar in axis.patches] == [1000, 100]
