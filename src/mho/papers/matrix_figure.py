"""A paper's figure of several quantities of several curves, a table of colours: a function (data, ax) -> ax."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mho.papers.quantities import Quantity

MAP = "viridis"
DARK_BELOW = 0.6
"""Share of the colours, from the darkest, on which numbers are white."""


@final
@dataclasses.dataclass(frozen=True)
class MatrixRow:
    """One row: a curve.

    Attributes:
        label: at the left.
        means: means of each quantity, over the seeds; NaN where there is none.
    """

    label: str
    means: Sequence[float]


def matrix_figure(
    data: Sequence[MatrixRow], ax: Axes, *, columns: Sequence[str], row_axis: str, column_axis: str, quantity: Quantity
) -> Axes:
    """Draw a mean in each place of a table, coloured by its value; the first row stands at the bottom.

    Args:
        data: the rows.
        ax: where to draw.
        columns: labels of the columns.
        row_axis: what differs from row to row.
        column_axis: what differs from column to column.
        quantity: quantity of all means: how numbers are shown, and what the figure is called.
    """
    table = np.array([row.means for row in data], float)
    finite = table[np.isfinite(table)]
    scale = Normalize(float(finite.min()), float(finite.max())) if len(finite) else Normalize(0.0, 1.0)
    colours = ax.pcolormesh(np.ma.masked_invalid(table), cmap=MAP, norm=scale, edgecolors="none", label=quantity.axis)
    for (row, column), mean in np.ndenumerate(table):
        if math.isfinite(mean):
            color = "white" if scale(mean) < DARK_BELOW else "black"
            ax.text(column + 0.5, row + 0.5, _short(mean, quantity), ha="center", va="center", color=color, fontsize=8)
    _name(ax.xaxis, columns, column_axis)
    _name(ax.yaxis, [row.label for row in data], row_axis)
    bar = ax.figure.colorbar(colours, ax=ax, pad=0.02)
    bar.set_label(quantity.axis)
    bar.outline.set_visible(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def _short(mean: float, quantity: Quantity) -> str:
    """Return a number that fits into its place: per cents with one decimal."""
    return f"{mean:.1f}" if quantity.unit == "%" else quantity.show(mean)


def _name(axis: Any, labels: Sequence[str], title: str) -> None:
    """Write a label in the middle of each place of an axis."""
    axis.set_ticks([place + 0.5 for place in range(len(labels))], labels)
    axis.set_label_text(title)
