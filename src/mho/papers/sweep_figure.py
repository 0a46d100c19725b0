"""A paper's figure of means against a value, drawn from our results: a function (data, ax) -> ax."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mho.papers.axes import finish, vertical_axis
from mho.papers.quantities import TEST_ERROR, Quantity
from mho.report.curve_styles import COLORS, CurveStyle
from mho.report.figures import LINEAR_BELOW

PRINTED: dict[str, Any] = {"ls": ":", "lw": 1.0, "ms": 7, "mfc": "none", "alpha": 0.8}
"""How the paper's numbers are drawn."""
ZERO_DECADES = 0.4
"""Decades of a logarithmic axis from 0 to the smallest other value."""


@final
@dataclasses.dataclass(frozen=True)
class SweepLine:
    """One line of a sweep, or a level across it.

    Attributes:
        label: for the legend.
        style: colour, marker and dashes, the same in all figures of a page.
        points: value and the means of its seeds, by rising value; None and the means for a level.
        paper: value and the paper's number, by rising value.
    """

    label: str
    style: CurveStyle
    points: Sequence[tuple[float | None, Sequence[float]]]
    paper: Sequence[tuple[float, float]] = ()


def sweep_figure(
    data: Sequence[SweepLine],
    ax: Axes,
    *,
    axis: str,
    log: bool,
    quantity: Quantity = TEST_ERROR,
    columns: int = 2,
) -> Axes:
    """Draw means of a quantity against a value; levels are dashed.

    A line goes through the means of the seeds; where there are several, each seed is a small dot. The paper's numbers
    are hollow marks, dotted.

    Args:
        data: the lines.
        ax: where to draw; the legend stands above it.
        axis: label of the axis of the values.
        log: whether it is logarithmic; 0 then stands left of the smallest other value.
        quantity: quantity of the vertical axis; a logarithmic axis is linear where the means span little.
        columns: columns of the legend.
    """
    seen = [mean for line in data for _, means in line.points for mean in means]
    seen += [number for line in data for _, number in line.paper]
    values = sorted({value for line in data for value, _ in (*line.points, *line.paper) if value is not None})
    for line in data:
        color, marker = line.style.color, line.style.marker
        for value, means in line.points:
            if value is None:
                ax.axhline(statistics.fmean(means), color=color, lw=1.3, ls=(0, (5, 3)), label=line.label, zorder=2)
            elif len(means) > 1:
                ax.plot(
                    [value] * len(means),
                    means,
                    ".",
                    color=color,
                    ms=4,
                    alpha=0.6,
                    zorder=3,
                    label=f"_{line.label}, seeds",
                )
        points = [(value, statistics.fmean(means)) for value, means in line.points if value is not None]
        if points:
            ax.plot(*zip(*points, strict=True), **line.style.line, ms=5, lw=1.7, label=line.label, zorder=4)
        if line.paper:
            ax.plot(
                *zip(*line.paper, strict=True),
                color=color,
                **PRINTED,
                marker=marker,
                zorder=3,
                label=f"_{line.label}, paper",
            )
    if any(line.paper for line in data):
        ax.plot([], [], color=COLORS[-1], **PRINTED, marker="o", label="paper")
    positive = [mean for mean in seen if mean > 0]
    log_axis = quantity.log and (not positive or max(positive) / min(positive) >= LINEAR_BELOW)
    vertical_axis(ax, dataclasses.replace(quantity, log=log_axis), positive if quantity.log else seen)
    _values(ax, values, log=log)
    ax.set_xlabel(axis)
    finish(ax, quantity, columns=columns)
    return ax


def _values(ax: Axes, values: Sequence[float], *, log: bool) -> None:
    """Name each value that a curve has, from the left, as far as labels do not overlap."""
    above = [value for value in values if value > 0]
    if log and above:
        ax.set_xscale("symlog", linthresh=above[0], linscale=ZERO_DECADES)
        ax.set_xlim(-0.2 * above[0] if values[0] == 0 else above[0] / 1.2, above[-1] * 1.2)
    named: list[float] = []
    for value in values:
        if not named or _apart(named[-1], value, values[-1] - values[0], log=log):
            named.append(value)
    ax.xaxis.set_major_locator(FixedLocator(named))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _apart(value: float, after: float, span: float, *, log: bool) -> bool:
    """Return whether the labels of two values stand apart in a narrow figure."""
    return value == 0 or after / value > 1.3 if log else after - value > 0.12 * span
