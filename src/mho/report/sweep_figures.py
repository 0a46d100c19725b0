"""Figures of a sweep as functions (data, ax) -> ax."""

from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from mho.report.figures import REPLICA_COLOR, TEST_COLOR, error_axis
from mho.report.sweep_points import Axis, Interval, PointErrors, axis, over_seeds

MAP = colormaps["cividis_r"]
"""Readable without colour vision; dark is bad."""
FEW = 12
"""So many values of a field are named one by one."""
UNITS = {
    "dw_min": "weight",
    "w_max": "weight",
    "w_min": "weight",
    "noise": "weight × input",
    "bound": "weight × input",
    "input_bound": "input",
    "length": "slots",
    "epochs": "epochs",
    "train_images": "images",
    "test_images": "images",
    "batch_size": "images",
    "rows": "lines",
    "columns": "lines",
    "dac_bits": "bits",
    "adc_bits": "bits",
    "spread": "relative",
    "c2c": "relative",
}
TWO_DECADES = 100.0
"""Powers of ten alone are too few labels below this factor."""
LINEAR_BELOW = 3.0
"""Errors that span less than this factor are drawn on a linear axis."""


def error_against(
    field: str, points: Sequence[PointErrors], ax: Axes, *, drawn: Mapping[str, bool] = MappingProxyType({})
) -> Axes:
    """Test error [%] against one swept field.

    Every point is a small dot (its mean over seeds). Where several points share a value, the line is their mean and
    the band its confidence interval over seeds; where each has a value of its own, bars are each point's interval.
    `drawn` has the fields with random values, and whether these are drawn by their logarithm.
    """
    x = axis(field, points, drawn.get(field))
    groups: dict[float, list[PointErrors]] = collections.defaultdict(list)
    for point in points:
        groups[x.place(point.values[field])].append(point)
    places = sorted(groups)
    means = [over_seeds(groups[place]) for place in places]
    single = all(len(group) == 1 for group in groups.values())
    if not single:
        dots = [(place, point.interval.mean) for place in places for point in groups[place]]
        ax.plot(*zip(*dots, strict=True), ".", color=REPLICA_COLOR, ms=4, alpha=0.8, zorder=2)
    if x.categorical or (single and len(places) > FEW):
        halves = [mean.half or 0.0 for mean in means]
        line: dict[str, Any] = {"fmt": "o", "ms": 4.5, "lw": 1.3, "capsize": 3}
        ax.errorbar(places, [mean.mean for mean in means], yerr=halves, color=TEST_COLOR, zorder=3, **line)
    else:
        ax.plot(places, [mean.mean for mean in means], "o-", color=TEST_COLOR, ms=4, lw=1.8, zorder=3)
        if any(mean.half is not None for mean in means):
            low, high = zip(*map(_ends, means), strict=True)
            ax.fill_between(places, low, high, color=TEST_COLOR, alpha=0.22, lw=0, zorder=1)
    ends = [end for mean in means for end in _ends(mean)] + [point.interval.mean for point in points]
    _error_scale(ax, ends)
    _value_axis(ax.xaxis, x, ax)
    ax.set_ylabel("test error (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def error_map(
    fields: tuple[str, str],
    points: Sequence[PointErrors],
    ax: Axes,
    *,
    drawn: Mapping[str, bool] = MappingProxyType({}),
) -> Axes:
    """Mean test error [%] of every pair of values of two fields, as a table of colours.

    Fields whose values are mostly drawn at random give a dot a point in place of a table.
    """
    x, y = (axis(field, points, drawn.get(field)) for field in fields)
    cells: dict[tuple[int, int], list[PointErrors]] = collections.defaultdict(list)
    for point in points:
        cells[y.values.index(point.values[y.field]), x.values.index(point.values[x.field])].append(point)
    means = {cell: over_seeds(group).mean for cell, group in cells.items()}
    scale = Normalize(min(means.values()), max(means.values()) or 1.0)
    if is_scattered(x, y, len(cells)):
        places = [(x.place(p.values[x.field]), y.place(p.values[y.field])) for p in points]
        errors = [point.interval.mean for point in points]
        across, up = zip(*places, strict=True)
        colours: Any = ax.scatter(across, up, c=errors, cmap=MAP, norm=scale, s=34, lw=0)
        _value_axis(ax.xaxis, x, ax)
        _value_axis(ax.yaxis, y, ax)
    else:
        table = np.full((len(y.values), len(x.values)), np.nan)
        for cell, mean in means.items():
            table[cell] = mean
        colours = ax.pcolormesh(table, cmap=MAP, norm=scale, edgecolors="none")
        for side, which in ((ax.xaxis, x), (ax.yaxis, y)):
            _cell_axis(side, which)
        if len(x.values) <= 8 and len(y.values) <= FEW:
            _write_errors(ax, means, scale)
    if not ax.texts:
        bar = ax.figure.colorbar(colours, ax=ax, pad=0.02)
        bar.set_label("test error (%)")
        bar.outline.set_visible(False)
    ax.spines[:].set_visible(False)
    return ax


def is_scattered(x: Axis, y: Axis, filled: int) -> bool:
    """Whether too few pairs of values occur for a table."""
    return not (x.categorical or y.categorical) and filled < 0.4 * len(x.values) * len(y.values)


def label(field: str) -> str:
    """A field's name, with its unit where it has one."""
    words = field.split(".")
    # device.dw_min.mean has the unit of device.dw_min, its spread has none
    unit = UNITS.get(words[-1]) or (UNITS.get(words[-2]) if words[-1] in ("mean", "std") else None)
    return f"{field} ({unit})" if unit else field


def _ends(mean: Interval) -> tuple[float, float]:
    half = mean.half or 0.0
    return max(mean.mean - half, 0.0), min(mean.mean + half, 100.0)


def _error_scale(ax: Axes, errors: Sequence[float]) -> None:
    """Logarithmic if errors span much, as in the page of a run; else linear."""
    positive = [error for error in errors if error > 0]
    if len(positive) == len(errors) and max(positive) / min(positive) >= LINEAR_BELOW:
        ax.set_yscale("log", nonpositive="clip")
        error_axis(ax, positive)
        return
    low, high = min(errors), max(errors)
    room = 0.06 * (high - low) or 0.5
    ax.set_ylim(max(low - room, -0.02 * high), high + room)
    ax.yaxis.set_major_locator(MaxNLocator(6))


def _value_axis(side: Any, which: Axis, ax: Axes) -> None:
    """Scale, ticks and label of the axis of a field."""
    name = side.axis_name
    getattr(ax, f"set_{name}label")(label(which.field))
    if which.categorical:
        _name_values(side, which, range(len(which.values)))
        getattr(ax, f"set_{name}lim")(-0.5, len(which.values) - 0.5)
        return
    if which.log:
        getattr(ax, f"set_{name}scale")("log")
        side.set_major_locator(LogLocator(numticks=6))
        side.set_minor_formatter(NullFormatter())
    values = [float(value) for value in which.values]
    if which.log and values[-1] / values[0] < TWO_DECADES:
        side.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if len(values) <= 6 and _apart(values, log=which.log):
        side.set_major_locator(FixedLocator(values))
        side.set_minor_locator(NullLocator())
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif not which.log:
        side.set_major_locator(MaxNLocator(6, integer=all(isinstance(value, int) for value in which.values)))


def _apart(values: Sequence[float], *, log: bool) -> bool:
    """Whether labels at these values would not overlap."""
    places = [math.log(value) for value in values] if log else list(values)
    span = places[-1] - places[0]
    return all(b - a > 0.13 * span for a, b in itertools.pairwise(places))


def _cell_axis(side: Any, which: Axis) -> None:
    side.set_label_text(label(which.field))
    _name_values(side, which, [place + 0.5 for place in range(len(which.values))])


def _name_values(side: Any, which: Axis, places: Sequence[float]) -> None:
    """Name values at places, all of them or every so many."""
    step = -(-len(which.values) // FEW)
    names = [_word(value) for value in which.values]
    side.set_ticks(list(places)[::step], names[::step])
    side.set_tick_params(length=0)
    if side.axis_name == "x" and sum(len(name) + 2 for name in names[::step]) > 44:
        side.set_tick_params(rotation=90)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _write_errors(ax: Axes, means: dict[tuple[int, int], float], scale: Normalize) -> None:
    """Every cell's error, in the colour that can be read on it."""
    for (row, column), mean in means.items():
        red, green, blue, _ = MAP(scale(mean))
        light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        text = f"{mean:.2f}" if mean < 10 else f"{mean:.1f}"
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color="#101418" if light else "#f6f8fa")
