"""A paper's figure of errors against a value, drawn from our results: a function (data, ax) -> ax."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from mho.papers.figures import COLORS, MARKERS
from mho.report.figures import error_axis

LINEAR_BELOW = 3.0
"""Errors that span less than this factor are drawn on a linear axis."""
ZERO_DECADES = 0.4
"""Decades of a logarithmic axis from 0 to the smallest other value."""


@final
@dataclasses.dataclass(frozen=True)
class SweepLine:
    """One line of a sweep, or a level across it.

    Attributes:
        label: for the legend.
        place: among all lines and levels of the figure, trained or not: it decides colour and marker.
        points: value to the mean test errors [%] of its seeds, by rising value; None and the errors for a level.
    """

    label: str
    place: int
    points: Sequence[tuple[float | None, Sequence[float]]]


def sweep_figure(data: Sequence[SweepLine], ax: Axes, *, axis: str, log: bool, columns: int = 2) -> Axes:
    """Mean test error [%] against a value; levels are dashed.

    A line goes through the means of the seeds; where there are several, each seed is a small dot.

    Args:
        data: the lines.
        ax: where to draw; the legend stands above it.
        axis: label of the axis of the values.
        log: whether it is logarithmic; 0 then stands left of the smallest other value.
        columns: of the legend.
    """
    seen = [error for line in data for _, errors in line.points for error in errors]
    values = sorted({value for line in data for value, _ in line.points if value is not None})
    for line in data:
        color, marker = COLORS[line.place % len(COLORS)], MARKERS[line.place % len(MARKERS)]
        for value, errors in line.points:
            if value is None:
                ax.axhline(statistics.fmean(errors), color=color, lw=1.3, ls=(0, (5, 3)), label=line.label, zorder=2)
            elif len(errors) > 1:
                ax.plot([value] * len(errors), errors, ".", color=color, ms=4, alpha=0.6, zorder=3)
        means = [(value, statistics.fmean(errors)) for value, errors in line.points if value is not None]
        if means:
            ax.plot(*zip(*means, strict=True), color=color, marker=marker, ms=5, lw=1.7, label=line.label, zorder=4)
    _errors(ax, [error for error in seen if error > 0])
    _values(ax, values, log=log)
    ax.set_xlabel(axis)
    ax.set_ylabel("test error (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, handlelength=2.2
    )
    return ax


def _errors(ax: Axes, errors: Sequence[float]) -> None:
    """Logarithmic where errors span much, as in the other figures; else linear."""
    if not errors or max(errors) / min(errors) >= LINEAR_BELOW:
        ax.set_yscale("log", nonpositive="clip")
        error_axis(ax, errors)
        return
    room = 0.06 * (max(errors) - min(errors)) or 0.5
    ax.set_ylim(min(errors) - room, max(errors) + room)
    ax.yaxis.set_major_locator(MaxNLocator(6))


def _values(ax: Axes, values: Sequence[float], *, log: bool) -> None:
    """Each value that a curve has is named, from the left, as far as labels do not overlap."""
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
    """Whether the labels of two values would not overlap in a narrow figure."""
    return value == 0 or after / value > 1.3 if log else after - value > 0.12 * span
