"""Curves over each other, as a function (data, ax) -> ax."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mho.comparison.curve import ERROR, Curve
from mho.intervals import Interval, error_interval, interval
from mho.report.curve_styles import page_styles
from mho.report.figures import error_axis

DECADE = 3.0
"""Numbers that span less than this factor are drawn on a linear axis."""
MARKED = 40
"""Up to so many epochs every point has a marker; of more, every so many."""
WORDS = 22
"""Letters up to which two names stand beside each other in a legend."""
LETTERS, HANDLE = 11, 1.15
"""Letters that an inch holds, and the inches beside a legend's names."""


def curves_over_epochs(data: Sequence[Curve], ax: Axes, *, name: str = ERROR, label: str = "test error (%)") -> Axes:
    """Draw a number of each epoch: the mean over the seeds of each curve, and a band of its interval.

    Args:
        data: the curves; those that lack the number are left out, and keep the others' styles as they are.
        ax: where to draw; the legend stands above it.
        name: name of the number, as in metrics.jsonl.
        label: label of the vertical axis.
    """
    styles, seen = page_styles([[curve.label for curve in data]]), list[float]()
    shown = [curve for curve in data if curve.has(name)]
    for curve in shown:
        style = styles[curve.label]
        points = [(epoch, _over_seeds(curve, epoch, name)) for epoch in curve.epochs if curve.at(epoch, name)]
        places, found = [place for place, _ in points], [each for _, each in points]
        every = 1 if len(places) <= MARKED else len(places) // 10
        line: dict[str, Any] = {"ms": 4.5, "lw": 1.7, "zorder": 3, "markevery": (0, every)}
        ax.plot(places, [each.mean for each in found], **style.line, **line, label=curve.label)
        seen += [end for each in found for end in (each.mean, *each.ends)]
        if any(each.count > 1 for each in found):
            low, high = zip(*(each.ends for each in found), strict=True)
            ax.fill_between(places, low, high, color=style.color, alpha=0.18, lw=0, zorder=1, label=f"_{curve.label}")
    finite = [value for value in seen if math.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) >= DECADE * min(finite):
        ax.set_yscale("log", nonpositive="clip")
        error_axis(ax, finite)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.set_xlabel("epoch")
    ax.set_ylabel(label)
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    names = legend_names(shown, ax.get_figure().get_figwidth())  # type: ignore[union-attr]
    handles, _ = ax.get_legend_handles_labels()
    columns = 2 if max(map(len, names), default=0) < WORDS and len(names) > 1 else 1
    ax.legend(handles, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3)
    return ax


def legend_names(data: Sequence[Curve], width: float) -> list[str]:
    """Return the names of curves for a legend, in lines that a figure of a width in inches has room for."""
    return ["\n".join(textwrap.wrap(curve.label, round(LETTERS * (width - HANDLE)))) for curve in data]


def legend_lines(data: Sequence[Curve], width: float) -> int:
    """Return the lines that a legend takes."""
    names = legend_names(data, width)
    if max(map(len, names), default=0) < WORDS:
        return -(-len(names) // 2)
    return sum(name.count("\n") + 1 for name in names)


def _over_seeds(curve: Curve, epoch: int, name: str) -> Interval:
    values = curve.at(epoch, name).values()
    return error_interval(values) if name.endswith("error") else interval(values)
