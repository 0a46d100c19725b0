"""A paper's figure, drawn from our results: a function (data, ax) -> ax."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from typing import final

from matplotlib.axes import Axes

from mho.papers.axes import finish, horizontal_axis, vertical_axis
from mho.papers.quantities import EPOCH, TEST_ERROR, Quantity
from mho.report.curve_styles import COLORS, CurveStyle

EVERY = 5
"""Epochs from marker to marker, in long trainings."""
ROOM = 0.07
"""Room for the paper's numbers at the right, as a share of the axis."""


@final
@dataclasses.dataclass(frozen=True)
class Drawn:
    """One curve of a figure.

    Attributes:
        label: for the legend.
        style: colour, marker and dashes, the same in all figures of a page.
        seeds: points (x, y) of each seed, by rising epoch.
        number: the paper's number, a range, or None.
    """

    label: str
    style: CurveStyle
    seeds: Sequence[Sequence[tuple[float, float]]]
    number: float | tuple[float, float] | None


def paper_figure(
    data: Sequence[Drawn],
    ax: Axes,
    *,
    quantity: Quantity = TEST_ERROR,
    x: Quantity = EPOCH,
    window: tuple[int, int] | None = None,
    compared: bool = False,
    columns: int = 2,
) -> Axes:
    """Draw a quantity against epochs or another number; the paper's numbers are marks at the right edge.

    The thick line is the mean of the seeds, as far as all have come; each seed is a thin line.

    Args:
        data: the curves.
        ax: where to draw; the legend stands above it.
        quantity: quantity of the vertical axis.
        x: label of the horizontal axis.
        window: first and last epoch of the mean that is judged, shaded; None: no epochs are.
        compared: whether the paper's numbers are drawn, where it has any.
        columns: columns of the legend.
    """
    points = list(itertools.chain(*(seed for curve in data for seed in curve.seeds)))
    longest = max((len(seed) for curve in data for seed in curve.seeds), default=1)
    numbers = [curve.number for curve in data if curve.number is not None] if compared else []
    mark = horizontal_axis(ax, x, [place for place, _ in points], room=ROOM if numbers else 0.0)
    if quantity.log:
        ax.set_yscale("log", nonpositive="clip")
    ax.set_autoscaley_on(False)
    for curve in data:
        color = curve.style.color
        line = {**curve.style.line, "ms": 4.5, "markevery": (0, EVERY if longest > 2 * EVERY else 1)}
        if len(curve.seeds) > 1:
            for number, seed in enumerate(curve.seeds):
                ax.plot(*_columns(seed), color=color, lw=0.6, alpha=0.5, label=f"_{curve.label}, run {number}")
        mean = [
            (statistics.fmean(place for place, _ in each), statistics.fmean(value for _, value in each))
            for each in zip(*curve.seeds, strict=False)
        ]
        ax.plot(*_columns(mean), lw=1.7, label=curve.label, zorder=3, **line)
        if curve.number is not None and compared:
            ax.plot(
                [mark] * 2, _ends(curve.number), color=color, lw=2.2, marker="_", ms=13, mew=2.2, clip_on=False,
                zorder=4, label=f"_{curve.label}, paper", transform=ax.get_yaxis_transform(),
            )  # fmt: skip
    vertical_axis(ax, quantity, [value for _, value in points] + list(itertools.chain(*map(_ends, numbers))))
    if window is not None and x == EPOCH and longest >= window[1]:
        ax.axvspan(window[0] - 0.5, window[1] + 0.5, color=COLORS[-1], alpha=0.12, lw=0, zorder=0)
    if numbers:
        # level with the axis' own label, out of the way of marks and ticks
        place = {"xy": (1, 0), "xycoords": "axes fraction", "xytext": (0, -21), "textcoords": "offset points"}
        ax.annotate("paper ↑", **place, ha="right", va="top")  # type: ignore[arg-type]
    finish(ax, quantity, columns=columns)
    return ax


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [place for place, _ in points], [value for _, value in points]


def _ends(number: float | tuple[float, float]) -> tuple[float, float]:
    return number if isinstance(number, tuple) else (number, number)
