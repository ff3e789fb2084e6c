"""Slopes are those of a straight line through logarithms."""

from retina_plugin.analysis.benchmark.rows import Row, slope_lines
from retina_plugin.analysis.benchmark.setting import Setting
from retina_plugin.analysis.timing import Measured


def test_slopes_are_powers_of_the_size_that_varies():
    def row(gts, seconds):
        return Row("assignment", Setting(gts=gts), {"ours": Measured(seconds, 0, 0, 0)}, None)

    rows = [row(1, 2.0), row(10, 200.0), row(100, 20_000.0)]
    assert slope_lines(rows, "gts") == ["assignment, ours: time grows as gts^2.00"]
    assert slope_lines([row(0, 1.0), *rows], "gts") == slope_lines(rows, "gts")  # a line has no 0
    assert slope_lines(rows, None) == slope_lines(rows[:1], "gts") == []
