"""The axes of a paper's figures: scales, limits and labels of whatever quantity they show."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mho.papers.quantities import EPOCH, Quantity
from mho.report.figures import error_axis

MARGIN = 0.03
"""Room beside the outermost points, as a share of their range."""


def horizontal_axis(ax: Axes, x: Quantity, places: Sequence[float], *, room: float) -> float:
    """Set scale, limits and label of the horizontal axis.

    Args:
        ax: the axes.
        x: what the axis shows.
        places: places of the points.
        room: for marks at the right edge, as a share of the axis.

    Returns:
        The middle of that room, as a share of the axis from the left.
    """
    ax.set_autoscalex_on(False)
    ax.set_xlabel(x.axis)
    finite = [place for place in places if math.isfinite(place) and (place > 0 or not x.log)]
    if x.log:
        ax.set_xscale("log")
        finite = [math.log10(place) for place in finite]
    low, high = (min(finite), max(finite)) if finite else (1.0, 1.0)
    margin = MARGIN * (high - low) or 0.5
    if x == EPOCH:
        low, margin = 1.0, 0.5
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    left, right = low - margin, high + margin
    right += room * (right - left)
    ax.set_xlim(*(10**end if x.log else end for end in (left, right)))
    return (1 + room / 2) / (1 + room)


def vertical_axis(ax: Axes, quantity: Quantity, values: Sequence[float]) -> None:
    """Set scale and limits of the vertical axis to the values that are drawn."""
    finite = [value for value in values if math.isfinite(value)]
    if quantity.log:
        ax.set_yscale("log", nonpositive="clip")
        error_axis(ax, [value for value in finite if value > 0])
        return
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = 2 * MARGIN * (high - low) or 2 * MARGIN * abs(high) or 0.5
    ax.set_ylim(low - room, high + room)
    ax.yaxis.set_major_locator(MaxNLocator(6))


def finish(ax: Axes, quantity: Quantity, *, columns: int) -> None:
    """Label the vertical axis, and set grid and legend as all figures of papers have them."""
    ax.set_ylabel(quantity.axis)
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, handlelength=2.2
    )
