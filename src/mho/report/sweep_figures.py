"""Figures of a sweep as functions (data, ax) -> ax."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from mho.report.curve_styles import CurveStyle, curve_style
from mho.report.figures import REPLICA_COLOR, TEST_COLOR, error_scale
from mho.report.sweep_axes import Axis, axis
from mho.runs.points import PointErrors, Value, lowest, named, rank, value_text

MAP = colormaps["cividis_r"]
"""Readable without colour vision; dark is bad."""
MOST = 8
"""So many lines of a figure have colours of their own."""
WORDS = 26
"""Letters up to which two names stand beside each other in a legend."""
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


def error_against(
    field: str, points: Sequence[PointErrors], ax: Axes, *, drawn: Mapping[str, bool] = MappingProxyType({})
) -> Axes:
    """Test error [%] against one swept field: a line for each combination of values of the other fields.

    Up to eight lines have colours and a legend; of more all are grey but the line with the lowest error, or the lines
    of a tie. Bands and bars are intervals over seeds. A field with random values, and points that share all other
    values with no other, have dots without lines.

    Args:
        field: of the horizontal axis.
        points: of the sweep.
        ax: where to draw; a legend stands above it.
        drawn: fields with random values, and whether these are drawn by their logarithm.
    """
    x = axis(field, points, drawn.get(field))
    lines = {} if field in drawn else _lines(field, points)
    best = [name for name, line in lines.items() if any(point in line for point in lowest(points))][:MOST]
    for number, (name, line) in enumerate(lines.items()):
        style = curve_style(number)
        if len(lines) > MOST:
            grey = dataclasses.replace(style, color=REPLICA_COLOR, dashes="-")
            style, name = (curve_style(best.index(name)), name) if name in best else (grey, f"_{name}")
        label = name if len(lines) > 1 else "test error"
        _draw_line(x, line, ax, style, label, faint=name.startswith("_"), band=len(lines) == 1)
    placed = {point.number for line in lines.values() for point in line}
    alone = [point for point in points if point.number not in placed]
    if alone:
        _draw_bars(x, alone, ax, {"color": TEST_COLOR, "marker": "o", "ls": ""}, "points")
    error_scale(ax, [end for point in points for end in (point.interval.mean, *point.interval.ends)])
    _value_axis(ax.xaxis, x, ax)
    ax.set_ylabel("test error (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        columns = 2 if max(map(len, lines)) < WORDS else 1
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3,
                  fontsize="small", columnspacing=1.2)  # fmt: skip
    return ax


def _lines(field: str, points: Sequence[PointErrors]) -> dict[str, list[PointErrors]]:
    """Return the points of each combination of the other values that several points share, by these values."""
    varied = [name for name in points[0].values if name != field and len({p.values[name] for p in points}) > 1]
    found: dict[tuple[Value, ...], list[PointErrors]] = collections.defaultdict(list)
    for point in points:
        found[tuple(point.values[name] for name in varied)].append(point)
    several = {values: line for values, line in found.items() if len(line) > 1}
    ordered = sorted(several, key=lambda values: tuple(map(rank, values)))
    return {named(dict(zip(varied, values, strict=True))): several[values] for values in ordered}


def _draw_line(
    x: Axis, points: Sequence[PointErrors], ax: Axes, style: CurveStyle, name: str, *, faint: bool, band: bool
) -> None:
    """Draw a line with its intervals: a band where it is alone, bars beside others, none where it is faint."""
    ordered = sorted(points, key=lambda point: x.place(point.values[x.field]))
    if x.categorical:
        _draw_bars(x, ordered, ax, dict(style.line) | {"ls": ""}, name)
        return
    if not faint and not band:
        _draw_bars(x, ordered, ax, style.line, name)
        return
    places = [x.place(point.values[x.field]) for point in ordered]
    line: dict[str, Any] = {"ms": 0, "lw": 0.7, "zorder": 2} if faint else {"ms": 4.5, "lw": 1.7, "zorder": 3}
    ax.plot(places, [point.interval.mean for point in ordered], **style.line, **line, label=name)
    if not faint and any(point.interval.count > 1 for point in ordered):
        low, high = zip(*(point.interval.ends for point in ordered), strict=True)
        ax.fill_between(places, low, high, color=style.color, alpha=0.18, lw=0, zorder=1, label=f"_{name}")


def _draw_bars(x: Axis, points: Sequence[PointErrors], ax: Axes, style: Mapping[str, Any], name: str) -> None:
    """Draw a marker for each point, with a bar for its interval where it has several seeds."""
    places, means = zip(*((x.place(p.values[x.field]), p.interval.mean) for p in points), strict=True)
    if all(point.interval.count < 2 for point in points):
        ax.plot(places, means, **style, ms=4.5, lw=1.7, zorder=3, label=name)
        return
    below = [point.interval.mean - point.interval.ends[0] for point in points]
    above = [point.interval.ends[1] - point.interval.mean for point in points]
    ax.errorbar(
        places, means, yerr=(below, above), **style, ms=4.5, lw=1.7, elinewidth=0.9, capsize=2.5, zorder=3, label=name
    )


def error_map(
    fields: tuple[str, str],
    points: Sequence[PointErrors],
    ax: Axes,
    *,
    drawn: Mapping[str, bool] = MappingProxyType({}),
) -> Axes:
    """Test error [%] of every pair of values of two fields, as a table of colours, the other fields at their best.

    Fields whose values are mostly drawn at random give a dot a point in place of a table. The range of the colours is
    no narrower than a tenth of the errors, and than four standard deviations over seeds, so that differences which
    mean nothing look like nothing.
    """
    x, y = (axis(field, points, drawn.get(field)) for field in fields)
    cells: dict[tuple[int, int], float] = {}
    for point in points:
        place = y.values.index(point.values[y.field]), x.values.index(point.values[x.field])
        cells[place] = min(cells.get(place, math.inf), point.interval.mean)
    if is_scattered(x, y, len(cells)):
        scale = color_range(points, [point.interval.mean for point in points])
        places = [(x.place(p.values[x.field]), y.place(p.values[y.field])) for p in points]
        errors = [point.interval.mean for point in points]
        across, up = zip(*places, strict=True)
        colours: Any = ax.scatter(across, up, c=errors, cmap=MAP, norm=scale, s=34, lw=0, label="points")
        _value_axis(ax.xaxis, x, ax)
        _value_axis(ax.yaxis, y, ax)
    else:
        scale = color_range(points, list(cells.values()))
        table = np.full((len(y.values), len(x.values)), np.nan)
        for cell, mean in cells.items():
            table[cell] = mean
        colours = ax.pcolormesh(table, cmap=MAP, norm=scale, edgecolors="none", label="test error (%)")
        for side, which in ((ax.xaxis, x), (ax.yaxis, y)):
            _cell_axis(side, which)
        if len(x.values) <= 8 and len(y.values) <= FEW:
            _write_errors(ax, cells, scale)
    bar = ax.figure.colorbar(colours, ax=ax, pad=0.02)
    bar.set_label("test error (%)")
    bar.outline.set_visible(False)
    ax.spines[:].set_visible(False)
    return ax


def color_range(points: Sequence[PointErrors], errors: Sequence[float]) -> Normalize:
    """Return the errors between which the colours go.

    They are the lowest and the highest, or farther apart: by a tenth of the highest, and by four standard deviations
    over seeds, the root mean square over all points of several seeds.
    """
    low, high = min(errors), max(errors)
    variances = [statistics.variance(point.test.values()) for point in points if len(point.test) > 1]
    noise = math.sqrt(statistics.fmean(variances)) if variances else 0.0
    least = max(0.1 * high, 4 * noise) or 1.0
    if high - low < least:
        middle = (low + high) / 2
        low = max(middle - least / 2, 0.0)
        high = low + least
    return Normalize(low, high)


def is_scattered(x: Axis, y: Axis, filled: int) -> bool:
    """Return True if too few pairs of values occur for a table."""
    return not (x.categorical or y.categorical) and filled < 0.4 * len(x.values) * len(y.values)


def label(field: str) -> str:
    """Return a field's name, with its unit, if any."""
    words = field.split(".")
    # device.dw_min.mean has the unit of device.dw_min, its spread has none
    unit = UNITS.get(words[-1]) or (UNITS.get(words[-2]) if words[-1] in ("mean", "std") else None)
    return f"{field} ({unit})" if unit else field


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
    """Return True if labels at these values would not overlap."""
    places = [math.log(value) for value in values] if log else list(values)
    span = places[-1] - places[0]
    return all(b - a > 0.13 * span for a, b in itertools.pairwise(places))


def _cell_axis(side: Any, which: Axis) -> None:
    side.set_label_text(label(which.field))
    _name_values(side, which, [place + 0.5 for place in range(len(which.values))])


def _name_values(side: Any, which: Axis, places: Sequence[float]) -> None:
    """Name values at places, all of them or every so many."""
    step = -(-len(which.values) // FEW)
    names = [value_text(value) for value in which.values]
    side.set_ticks(list(places)[::step], names[::step])
    side.set_tick_params(length=0)
    if side.axis_name == "x" and sum(len(name) + 2 for name in names[::step]) > 44:
        side.set_tick_params(rotation=90)


def _write_errors(ax: Axes, means: dict[tuple[int, int], float], scale: Normalize) -> None:
    """Write the error of every cell of a table, in a colour that can be read on it."""
    for (row, column), mean in means.items():
        red, green, blue, _ = MAP(scale(mean))
        light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        text = f"{mean:.2f}" if mean < 10 else f"{mean:.1f}"
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color="#101418" if light else "#f6f8fa")
