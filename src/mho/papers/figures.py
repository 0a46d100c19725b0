"""A paper's figure, drawn from our results: a function (data, ax) -> ax."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from typing import final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mho.report.figures import error_axis

COLORS = ("#3b7dd8", "#d9730d", "#2f9a58", "#a36bd6", "#d14a5c", "#1c9aa8", "#a08a1e", "#858b95")
"""Readable on light and on dark paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
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
        place: among all curves of the figure, trained or not: it decides colour and marker.
        seeds: test errors [%] of each seed, one an epoch from epoch 1 on.
        number: the paper's, in per cent, a range, or None.
    """

    label: str
    place: int
    seeds: Sequence[Sequence[float]]
    number: float | tuple[float, float] | None


def paper_figure(data: Sequence[Drawn], ax: Axes, *, window: tuple[int, int] | None = None, columns: int = 2) -> Axes:
    """Test error [%] against epochs on a logarithmic axis; the paper's numbers are marks at the right edge.

    The thick line is the mean of the seeds, as far as all have come; each seed is a thin one.

    Args:
        data: the curves.
        ax: where to draw; the legend stands above it.
        window: first and last epoch of the mean that is judged, and compared with the paper's numbers where it has
            any; None: nothing is.
        columns: of the legend.
    """
    ax.set_yscale("log", nonpositive="clip")
    ax.set_autoscaley_on(False)
    seen: list[float] = []
    last = max((len(errors) for curve in data for errors in curve.seeds), default=1)
    compared = window is not None and any(curve.number is not None for curve in data)
    right = last + 0.5
    mark = right + ROOM / 2 * (right - 0.5)
    for curve in data:
        color, marker = COLORS[curve.place % len(COLORS)], MARKERS[curve.place % len(MARKERS)]
        line = {"color": color, "marker": marker, "ms": 4.5, "markevery": (0, EVERY if last > 2 * EVERY else 1)}
        mean = [statistics.fmean(errors) for errors in zip(*curve.seeds, strict=False)]
        if len(curve.seeds) > 1:
            for errors in curve.seeds:
                ax.plot(range(1, len(errors) + 1), errors, color=color, lw=0.6, alpha=0.5)
        ax.plot(range(1, len(mean) + 1), mean, lw=1.7, label=curve.label, zorder=3, **line)  # type: ignore[arg-type]
        seen += itertools.chain(*curve.seeds)
        if curve.number is not None and compared:
            ends = curve.number if isinstance(curve.number, tuple) else (curve.number, curve.number)
            ax.plot([mark] * 2, ends, color=color, lw=2.2, marker="_", ms=13, mew=2.2, clip_on=False, zorder=4)
            seen += ends
    error_axis(ax, [error for error in seen if error > 0])
    ax.set_xlim(0.5, right + (ROOM * (right - 0.5) if compared else 0.0))
    if window is not None and last >= window[1]:
        ax.axvspan(window[0] - 0.5, window[1] + 0.5, color=COLORS[-1], alpha=0.12, lw=0, zorder=0)
    if compared:
        # level with the axis' own label, out of the way of marks and ticks
        place = {"xy": (1, 0), "xycoords": "axes fraction", "xytext": (0, -21), "textcoords": "offset points"}
        ax.annotate("paper ↑", **place, ha="right", va="top")  # type: ignore[arg-type]
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.set_xlabel("epoch")
    ax.set_ylabel("test error (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, handlelength=2.2
    )
    return ax
