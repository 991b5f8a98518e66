"""An experiment's report as a picture. matplotlib comes with the extra `plots`, and is loaded here only."""

import textwrap
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsuji.core.errors import ConfigError
from tsuji.routing.experiment.design import UNITS
from tsuji.routing.experiment.verdict import chance

if TYPE_CHECKING:
    from tsuji.routing.experiment import Experiment
    from tsuji.routing.experiment.analysis import Report

# Okabe and Ito's colours, which the colour-blind tell apart (https://jfly.uni-koeln.de/color/), and signs beside them.
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SIGNS = ("s", "o", "^", "D", "v", "P", "X")
_WIDTH, _ROW, _LINE = 11.0, 2.7, 0.22
"""Inches."""


def draw(experiment: "Experiment", report: "Report", file: Path) -> None:
    """Raises ConfigError where matplotlib is not there, or the file cannot be written."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("a picture needs matplotlib, which is not installed: pip install 'tsuji[plots]'") from None
    lines = [part for line in report.verdict for part in textwrap.wrap(line, 150)]
    head = 0.75 + _LINE * len(lines)
    height = head + _ROW * len(experiment.metrics) + 0.35
    figure: Any = Figure(figsize=(_WIDTH, height), dpi=120)
    FigureCanvasAgg(figure)
    figure.text(0.02, 1 - 0.3 / height, f"Experiment {report.name}", size=15, weight="bold", va="center")
    for at, line in enumerate(lines):
        figure.text(0.02, 1 - (0.65 + _LINE * at) / height, line, size=9.5, va="center", color="#222222")
    grid = figure.add_gridspec(
        len(experiment.metrics), 2, width_ratios=(1.7, 1), left=0.085, right=0.975, wspace=0.24, hspace=0.62,
        top=1 - (head + 0.25) / height, bottom=0.62 / height,
    )  # fmt: skip
    for row, metric in enumerate(experiment.metrics):
        _over_time(figure.add_subplot(grid[row, 0]), experiment, report, metric)
        _means(figure.add_subplot(grid[row, 1]), report, metric)
    try:
        figure.savefig(file, format="png")
    except OSError as error:
        raise ConfigError(f"the picture cannot be written to {file}: {error.strerror}") from None


def _over_time(axes: Any, experiment: "Experiment", report: "Report", metric: str) -> None:
    """The interval of the difference at each look."""
    axes.axhline(0, color="#555555", linewidth=1, linestyle=(0, (4, 3)))
    shown = False
    for one in report.comparisons:
        at = next(i for i, arm in enumerate(report.arms) if arm.name == one.arm)
        looks = [look for look in one.looks if isfinite(look.low)]
        if one.metric != metric or not looks:
            continue
        shown = True
        n, colour = [look.n for look in looks], _COLOURS[at % len(_COLOURS)]
        axes.fill_between(n, [k.low for k in looks], [k.high for k in looks], color=colour, alpha=0.18, linewidth=0)
        label = f"{one.arm} ({chance(one.p)})"
        sign = _SIGNS[at % len(_SIGNS)]
        axes.plot(n, [k.estimate for k in looks], color=colour, linewidth=1.6, label=label)
        axes.plot(n[-1:], [looks[-1].estimate], sign, color=colour, markersize=6)
    unit = f" ({UNITS[metric]})" if UNITS[metric] else ""
    axes.set_title(f"{metric}: difference from {experiment.arms[0].name}", size=10.5, loc="left")
    axes.set_ylabel(f"difference{unit}", size=9)
    axes.set_xlabel(f"{experiment.unit}s in both arms", size=9)
    if shown:
        axes.legend(fontsize=8, frameon=False, loc="best")
        axes.set_xlim(left=0)
    else:
        axes.text(0.5, 0.6, "too early for an interval", transform=axes.transAxes, ha="center", size=9)
        axes.set_xticks([])
        axes.set_yticks([])
    _plain(axes)


def _means(axes: Any, report: "Report", metric: str) -> None:
    """Each arm's mean and its interval now."""
    names: list[str] = []
    for at, arm in enumerate(report.arms):
        mean, colour = arm.means[metric], _COLOURS[at % len(_COLOURS)]
        names.append(f"{arm.name}\nn = {mean.n:,}")
        if not mean.n:
            continue
        if isfinite(mean.low):
            axes.plot([mean.low, mean.high], [at, at], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([mean.mean], [at], _SIGNS[at % len(_SIGNS)], color=colour, markersize=7)
    axes.set_yticks(range(len(names)), names, size=8.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    unit = f" ({UNITS[metric]})" if UNITS[metric] else ""
    axes.set_title("mean of each arm", size=10.5, loc="left")
    axes.set_xlabel(f"{metric}{unit}", size=9)
    axes.locator_params(axis="x", nbins=5)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.tick_params(labelsize=8.5)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
