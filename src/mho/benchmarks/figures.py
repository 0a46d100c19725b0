"""Figures of the page as functions (chart, ax) -> ax."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from mho.benchmarks.results import Chart, Line, digits
from mho.report.figures import REPLICA_COLOR, TEST_COLOR, TRAIN_COLOR

COLORS = (TEST_COLOR, TRAIN_COLOR, REPLICA_COLOR)
MARKS = (("-", "o"), ("--", "s"), (":", "^"))
BAR_HEIGHT = 0.75
PHONE = 4.5
"""Inches of a figure up to which entries of a legend stand below each other."""
SIZE = EngFormatter(places=0, sep="")
"""4k for 4,096: every size must fit beside the next on a phone."""


def draw(chart: Chart, ax: Axes) -> Axes:
    """Medians with quartiles: bars over names, or lines over a size on logarithmic axes."""
    if chart.bars:
        _bars(chart, ax)
    else:
        _lines(chart, ax)
    if len(chart.lines) > 1 or not chart.bars or chart.target is not None:
        figure = ax.get_figure()  # whose whole width a legend may take: names of bars leave an axis little on a phone
        columns = 3 if figure.get_figwidth() > PHONE else 1  # type: ignore[union-attr]
        figure.legend(loc="outside upper left", ncols=columns, frameon=False, borderaxespad=0.3, columnspacing=1.2)  # type: ignore[union-attr]
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _lines(chart: Chart, ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    for number, line in enumerate(chart.lines):
        dashes, marker = MARKS[number % len(MARKS)]
        color = COLORS[number % len(COLORS)]
        ax.errorbar(
            line.x, _medians(line), yerr=_spread(line), fmt=dashes + marker, color=color, lw=2, ms=5, elinewidth=1,
            label=line.label,
        )  # fmt: skip
    sizes = sorted({size for line in chart.lines for size in line.x})
    ax.set_xticks(sizes, [SIZE(size) for size in sizes])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.minorticks_off()
    ax.yaxis.set_major_locator(LogLocator(subs=_steps([v for line in chart.lines for v in _medians(line)])))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.set_xlabel(chart.x_label)
    ax.set_ylabel(chart.y_label)
    ax.grid(True, lw=0.5, alpha=0.25)


def _bars(chart: Chart, ax: Axes) -> None:
    """Lying, the first on top, each with its number: names are long."""
    names, count = chart.lines[0].x, len(chart.lines)
    height = BAR_HEIGHT / count
    for number, line in enumerate(chart.lines):
        places = [row + (number - (count - 1) / 2) * height for row in range(len(names))]
        values, spread = _medians(line), _spread(line)
        ax.barh(places, values, height * 0.92, color=COLORS[number % len(COLORS)], label=line.label, xerr=spread,
                error_kw={"lw": 1, "ecolor": REPLICA_COLOR})  # fmt: skip
        for place, value in zip(places, values, strict=True):  # beside the plot, where no line runs through them
            ax.text(1.01, place, digits(value), transform=ax.get_yaxis_transform(), va="center")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.05)
    if chart.target is not None:
        ax.update_datalim([(chart.target[0], 0)], updatey=False)
        ax.autoscale_view(scaley=False)
    ax.set_xlim(left=0)
    ax.set_xlabel(chart.y_label)
    ax.set_ylabel(chart.x_label)
    ax.grid(True, axis="x", lw=0.5, alpha=0.25)
    if chart.target is not None:
        value, name = chart.target
        ax.axvline(value, ls="--", lw=1, color=REPLICA_COLOR, label=name)


def _medians(line: Line) -> list[float]:
    return [samples.median for samples in line.y]


def _spread(line: Line) -> tuple[list[float], list[float]]:
    """Distances of the quartiles from the median."""
    pairs = [(s.median - s.quartiles[0], s.quartiles[1] - s.median) for s in line.y]
    return [max(low, 0.0) for low, _ in pairs], [max(high, 0.0) for _, high in pairs]


def _steps(values: Sequence[float]) -> tuple[float, ...]:
    """Labels at every decade, and between them where there are few."""
    return (1.0, 2.0, 5.0) if math.log10(max(values) / min(values)) < 2.5 else (1.0,)
