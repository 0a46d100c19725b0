"""Figures of a device as functions (data, ax) -> ax: pulse response, steps, symmetry points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from mho.report.drawing import save_panels
from mho.report.figures import REPLICA_COLOR, TEST_COLOR, TRAIN_COLOR
from mho.report.gallery import Gallery, Picture
from mho.testing import PulseResponse

SHOWN = 12
"""Cells that are drawn one by one."""
BAND = (10, 90)
"""Percentiles between which the band of cells lies."""
SAME = 1e-6
"""Part of the range within which symmetry points count as equal: rounding moves them so far."""
UP_COLOR, DOWN_COLOR = TEST_COLOR, TRAIN_COLOR


def staircase(data: PulseResponse, ax: Axes, *, columns: int = 4) -> Axes:
    """Draw weights against the number of pulses, up and then down: some cells, the median, a band of percentiles.

    Where the device's conductance is known, an axis to the right has it.

    Args:
        data: of `mho.testing.pulse_response`.
        ax: axes that are drawn on; they are returned.
        columns: columns of the legend, at least 1.
    """
    half = int(np.searchsorted(data.pulses, data.turn))
    low, middle, high = np.percentile(data.weights, [BAND[0], 50, BAND[1]], axis=0)
    names = [f"_cell {number}" for number in range(1, min(SHOWN, len(data.weights)) + 1)]  # for the CSV, not the legend
    ax.plot(data.pulses, data.weights[:SHOWN].T, color=REPLICA_COLOR, lw=0.6, alpha=0.7, zorder=2, label=names)
    for part, color, name in (
        (slice(None, half + 1), UP_COLOR, "up"),
        (slice(half, None), DOWN_COLOR, "down"),
    ):
        ax.fill_between(
            data.pulses[part], low[part], high[part], color=color, alpha=0.2, lw=0, zorder=1, label=f"_{name}, median"
        )
        ax.plot(data.pulses[part], middle[part], color=color, lw=2, label=f"{name}, median", zorder=3)
    ax.plot([], [], color=REPLICA_COLOR, lw=0.6, label=f"{min(SHOWN, len(data.weights))} single cells")
    ax.fill_between([], [], [], color=REPLICA_COLOR, alpha=0.3, lw=0, label=f"{BAND[0]} to {BAND[1]} % of cells")
    ax.set_xlim(0, 2 * data.turn)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel(f"pulses: {data.turn:,} up, then as many down")
    ax.set_ylabel("weight")
    _finish(ax)
    if data.device.conductance is not None:
        in_unit = data.device.conductance.for_axes()
        right = ax.secondary_yaxis("right", functions=(in_unit.of, in_unit.weights))
        right.set_ylabel(f"{'conductance' if in_unit.name == 'µS' else 'reading'} ({in_unit.name})")
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, columnspacing=1.2
    )
    return ax


def step_against_state(data: PulseResponse, ax: Axes) -> Axes:
    """Draw the sizes of up and down steps without noise against the weight: the nominal device, and some cells.

    Args:
        data: of `mho.testing.pulse_response`.
        ax: axes that are drawn on; they are returned.
    """
    for number in range(min(SHOWN, len(data.weights))):
        w, up, down = data.steps(number)
        ax.plot(w, up, color=UP_COLOR, lw=0.6, alpha=0.35, label=f"_up, cell {number + 1}")
        ax.plot(w, down, color=DOWN_COLOR, lw=0.6, alpha=0.35, label=f"_down, cell {number + 1}")
    w, up, down = data.steps()
    ax.plot(w, up, color=UP_COLOR, lw=2, label="up")
    ax.plot(w, down, "--", color=DOWN_COLOR, lw=2, label="down")
    point = float(data.device.symmetry_point())
    if not np.isnan(point):
        ax.plot(point, np.interp(point, w, up), "o", color="black", ms=5, zorder=4, label="symmetry point")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("weight")
    ax.set_ylabel("step of the nominal device\nand of single cells")
    ax.yaxis.set_major_locator(MaxNLocator(5))
    _finish(ax)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.3, columnspacing=1.2)
    return ax


def symmetry_histogram(data: PulseResponse, ax: Axes) -> Axes:
    """Draw a histogram of the symmetry points of the cells; if it has at most one bar, write them in words.

    Args:
        data: of `mho.testing.pulse_response`.
        ax: axes that are drawn on; they are returned.
    """
    points = data.symmetry_points[~np.isnan(data.symmetry_points)]
    cells = len(data.symmetry_points)
    ax.set_xlabel("symmetry point (weight)")
    ax.set_ylabel("cells")
    _finish(ax)
    text = ""
    if not len(points):
        text = "no symmetry point:\nup and down steps cancel\nin no single state of any cell"
    elif np.ptp(points) < SAME * (data.weights.max() - data.weights.min()):
        text = f"up and down steps of every cell\ncancel at the weight {points.mean():.3g}:\ncells do not differ"
    if text:
        ax.set_axis_off()
        ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
        return ax
    low, high = points.min(), points.max()
    _, _, bars = ax.hist(points, bins=40, range=(float(low), float(high)), color=REPLICA_COLOR)
    bars.set_label("_cells")  # type: ignore[union-attr]  # one container, as one list was given
    ax.axvline(float(points.mean()), color="black", lw=1)
    missing = f"; {cells - len(points)} of {cells} cells have none" if len(points) < cells else ""
    ax.set_title(f"mean {points.mean():.3g}, spread {points.std():.2g}{missing}", loc="left", fontsize="medium")
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    return ax


def save_device(data: PulseResponse, path: Path) -> None:
    """Draw the three figures of a device into one file.

    Args:
        data: of `mho.testing.pulse_response`.
        path: the file, whose ending names its kind, for example .svg or .png.
    """
    draws = {name: picture.draw for name, picture in device_gallery(data).pictures.items()}
    save_panels([["response", "response"], ["steps", "symmetry"]], draws, path, size=(9.0, 7.0))


def device_gallery(data: PulseResponse) -> Gallery:
    """Return the figures of a device, "response", "steps" and "symmetry", to be saved with their numbers.

    For example `mho.report.device_gallery(mho.testing.pulse_response(device)).save(Path("figures"), style="paper")`.
    """

    def response(ax: Axes, columns: int = 4) -> None:
        staircase(data, ax, columns=columns)
        ax.set_title(f"{type(data.device).__name__}: pulse response of {len(data.weights):,} cells", loc="left", pad=24)

    gallery = Gallery()
    gallery.pictures["response"] = Picture(response, (9.0, 3.5), (lambda ax: response(ax, 2), (4.2, 3.2)))
    gallery.pictures["steps"] = Picture(lambda ax: step_against_state(data, ax), (4.5, 3.5))
    gallery.pictures["symmetry"] = Picture(lambda ax: symmetry_histogram(data, ax), (4.5, 3.5))
    return gallery


def _finish(ax: Axes) -> None:
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
