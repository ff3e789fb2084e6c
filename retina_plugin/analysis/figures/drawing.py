"""The paper's figures, drawn so that they can be read without colour."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from cycler import cycler

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from .loss_curves import (  # noqa: E402
    FIGURE_1,
    FIGURE_5,
    losses_over_p_t,
    losses_over_x_t,
    slopes_over_x_t,
)
from .loss_distribution import Examples, cumulative, x_t_of_bins  # noqa: E402
from .names import Named, name_points, plain  # noqa: E402

FORMATS = ("png", "svg")
COLORS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#777777")
STYLE: Any = {
    "figure.dpi": 120,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLORS),
    "legend.frameon": False,
    "svg.hashsalt": "retina_plugin",  # the same file for the same figure
}
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
GAMMAS = (0.0, 0.5, 1.0, 2.0)  # of figure 4
# The legend of figure 2, where no point can lie.
BELOW: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "fontsize": 9}


@contextmanager
def drawn(
    folder: Path, name: str, columns: int = 1, rows: int = 1, width: float = 5.6
) -> Iterator[list[Axes]]:
    """Axes to draw on, each so many inches wide, written as PNG and SVG afterwards."""
    with mpl.rc_context(STYLE):
        size = (width * columns, 4.2 * rows)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
        yield list(axes.flat)
        folder.mkdir(parents=True, exist_ok=True)
        figure.tight_layout()
        for kind in FORMATS:
            figure.savefig(
                folder / f"{name}.{kind}", metadata={"Date": None} if kind == "svg" else {}
            )
        plt.close(figure)


def draw_focal_loss(folder: Path) -> None:
    """Figure 1: the loss over p_t, for several gammas."""
    p_t = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    with drawn(folder, "figure1_focal_loss") as (axes,):
        for gamma, line in zip(FIGURE_1, LINES, strict=True):
            label = "γ = 0 (CE)" if gamma == 0 else f"γ = {gamma:g}"
            axes.plot(p_t, losses_over_p_t(p_t, gamma), linestyle=line, label=label)
        axes.axvspan(0.6, 1, color="#eeeeee", zorder=0)
        axes.text(0.8, 1.2, "well classified", ha="center")
        axes.set(xlabel="p$_t$, probability of the true class", ylabel="loss", ylim=(0, 5))
        axes.set(xlim=(0, 1))
        axes.legend(title="focal loss")


def draw_forms(folder: Path) -> None:
    """Figures 5 and 6: FL and FL* over x_t, and their derivatives."""
    x_t = torch.linspace(-5, 5, 401, dtype=torch.float64)
    with drawn(folder, "figure5_6_focal_loss_forms", columns=2) as (losses, slopes):
        for (name, gamma, beta), line in zip(FIGURE_5, cycle(LINES)):
            losses.plot(x_t, losses_over_x_t(x_t, gamma, beta), linestyle=line, label=name)
            slopes.plot(x_t, slopes_over_x_t(x_t, gamma, beta), linestyle=line, label=name)
        label = "x$_t$, the logit with the sign of the truth"
        losses.set(title="figure 5: the loss", xlabel=label, ylabel="loss", ylim=(0, 5))
        slopes.set(title="figure 6: its derivative", xlabel=label)
        slopes.set_ylabel("derivative with respect to x$_t$")
        for axes in (losses, slopes):
            axes.axvspan(0, 5, color="#eeeeee", zorder=0)
        slopes.text(2.5, -0.6, "classified rightly", ha="center")
        losses.legend()


def draw_cumulative(folder: Path, examples: Examples) -> None:
    """Figure 4: the loss of foreground and background, summed up from easy to hard examples."""
    with drawn(folder, "figure4_cumulative_loss", columns=2) as both:
        kinds = (("foreground", examples.foreground), ("background", examples.background))
        for axes, (kind, counts) in zip(both, kinds, strict=True):
            for gamma, line in zip(GAMMAS, LINES, strict=False):
                share, loss = cumulative(counts, gamma)
                axes.plot(share, loss, linestyle=line, label=f"γ = {gamma:g}")
            total = f"{counts.sum():,.0f}"
            axes.set(title=f"{kind}, {total} examples", ylabel="share of the loss")
            axes.set(xlabel="share of the examples, the easiest first", xlim=(0, 1), ylim=(0, 1))
        both[0].legend()


def draw_histograms(folder: Path, over_training: Mapping[int, Examples], unit: str) -> None:
    """How p_t is distributed after so many iterations or epochs, from light to dark: both kinds."""
    edges = torch.linspace(0, 1, 21, dtype=torch.float64)
    bins = torch.bucketize(x_t_of_bins().sigmoid(), edges[1:-1])
    shades = torch.linspace(0.75, 0, len(over_training)).tolist()
    with drawn(folder, "p_t_over_training", columns=2) as both:
        for axes, kind in zip(both, ("foreground", "background"), strict=True):
            styles = zip(over_training.items(), shades, cycle(LINES), strict=False)
            for (iteration, examples), shade, line in styles:
                counts = getattr(examples, kind)
                shares = torch.zeros(20, dtype=torch.float64).index_add_(0, bins, counts)
                style = {"color": f"{shade:.2f}", "linestyle": line, "linewidth": 2 - shade}
                label = f"{iteration}"
                axes.stairs(shares / counts.sum(), edges, baseline=None, label=label, **style)
            axes.set(title=kind, xlabel="p$_t$, probability of the truth", xlim=(0, 1))
            axes.set(ylabel="share of the examples in a twentieth", yscale="log")
            axes.set_ylim(top=1)
        both[1].legend(title=unit, loc="center left", bbox_to_anchor=(1, 0.5))


def draw_speed(
    folder: Path,
    panels: Mapping[str, Mapping[str, Sequence[tuple[str, float, float]]]],
    joined: Collection[str] = (),
) -> None:
    """Figure 2: AP over the time of an image.

    Args:
        folder: of the files.
        panels: by title, as times of different machines share no axis; of each group in a panel
            (name, milliseconds, AP).
        joined: groups whose points a line joins; its first and its last have their names.
    """
    groups = list(dict.fromkeys(group for panel in panels.values() for group in panel))
    styles = dict(zip(groups, zip(COLORS, LINES, "os^Dv", strict=True), strict=False))
    with drawn(folder, "figure2_speed", rows=len(panels), width=7.4) as all_axes:
        by_time = [
            {group: sorted(points, key=lambda point: point[1]) for group, points in panel.items()}
            for panel in panels.values()
        ]
        for axes, title, panel in zip(all_axes, panels, by_time, strict=True):
            for group, points in panel.items():
                color, dashes, marker = styles[group]
                line: Any = dashes if group in joined else "none"
                _, times, aps = zip(*points, strict=True)
                axes.plot(times, aps, linestyle=line, color=color, marker=marker, label=group)
            axes.set(title=plain(title), xlabel="milliseconds an image", ylabel="AP")
            axes.margins(x=0.25, y=0.15)
            axes.set_xlim(left=0)
            if len(panel) > 1:
                axes.legend(**BELOW, ncols=len(panel), columnspacing=1.5)
        plt.tight_layout()
        colors = {group: color for group, (color, _, _) in styles.items()}
        for axes, panel in zip(all_axes, by_time, strict=True):
            _name(axes, panel, joined, colors)


def _name(
    axes: Axes,
    panel: Mapping[str, Sequence[tuple[str, float, float]]],
    joined: Collection[str],
    colors: Mapping[str, str],
) -> None:
    """Write the names of points of figure 2, the fastest first; of a line, those of its ends."""
    named: list[Named] = []
    lines: list[list[tuple[float, float]]] = []
    for group, points in panel.items():
        at = [(time, ap) for _, time, ap in points]
        lines += [at] if group in joined else [[point] for point in at]
        ends = dict.fromkeys((points[0], points[-1])) if group in joined else points
        named += [Named(*point, colors[group]) for point in ends]
    name_points(axes, named, lines)
