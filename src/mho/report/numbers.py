"""The numbers of a figure as a table, read from what is drawn: so that figure and table cannot differ."""

from __future__ import annotations

import csv
import functools
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import IdentityTransform

DIGITS = 9
"""Significant digits: what float32 holds."""
Row = dict[str, Any]


def figure_csv(axes: Sequence[Axes]) -> str:
    """Return the numbers of a figure as CSV, one row per point that is drawn.

    The column `curve` has the name of the curve, the bar or the table of colours. The next two columns are named by the
    axes, in their units; `low` and `high` are the ends of an interval or a band, `value` is what colours tell. A cell
    is empty where there is nothing.

    Names that begin with an underscore, which matplotlib leaves out of legends, lose it here: thin lines and bands
    carry them so that their numbers can be told apart.

    Args:
        axes: of the figure; those without data, as of a scale of colours, add no rows.
    """
    rows = [row for ax in axes for row in _rows(ax)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    names.sort(key=("low", "high", "value").count)  # these stand last
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows([_text(row.get(name, "")) for name in names] for row in rows)
    return text.getvalue()


def _rows(ax: Axes) -> Iterator[Row]:
    x, y = ax.get_xlabel() or "x", ax.get_ylabel() or "y"
    x, y = (" ".join(name.split()) for name in (x, y if y != x else f"{y} (vertical)"))
    bands = [band for band in ax.collections if isinstance(band, PolyCollection) and not isinstance(band, QuadMesh)]
    ends = {_name(band, "band"): _ends(band) for band in bands if len(band.get_paths())}
    barred, drawn = set[Line2D](), set[str]()
    for bars in (container for container in ax.containers if isinstance(container, ErrorbarContainer)):
        line, _, sides = bars.lines
        if line is not None:
            barred.add(line)
            segments = [segment for side in sides for segment in side.get_segments()]
            yield from _with_bars(ax, bars.get_label() or _name(line, "points"), line, segments, x, y)
    for number, line in enumerate(ax.get_lines(), 1):
        if line not in barred and not _is_cap(ax, line):
            name = _name(line, f"line {number}")
            drawn.add(name)
            yield from _with_band(_points(ax, line, name, x, y), ends.get(name, {}), x)
    for name, band in ends.items():
        if name not in drawn:
            yield from ({"curve": name, x: place, "low": low, "high": high} for place, (low, high) in band.items())
    for container in ax.containers:
        if isinstance(container, BarContainer):
            yield from _bars(ax, container, x, y)
    for collection in ax.collections:
        if isinstance(collection, QuadMesh):
            yield from _mesh(ax, collection, x, y)
        elif isinstance(collection, PathCollection):
            yield from _scattered(collection, x, y)


def _name(artist: Any, otherwise: str) -> str:
    """Return the label of an artist; what matplotlib made up is no label."""
    label = str(artist.get_label())
    unnamed = label.startswith("_child") or label in ("", "_nolegend_")
    return otherwise if unnamed else " ".join(label.removeprefix("_").split())


def _is_cap(ax: Axes, line: Line2D) -> bool:
    """Return whether a line has no data of its own: a cap of an error bar, a rule across the axes, or an empty line."""
    unnamed = str(line.get_label()).startswith(("_child", "_nolegend_"))
    across = line.get_transform() not in (ax.transData, IdentityTransform())
    return len(np.atleast_1d(line.get_xdata())) == 0 or (unnamed and (across or line.get_marker() in ("_", "|", 2, 3)))


def _points(ax: Axes, line: Line2D, name: str, x: str, y: str) -> Iterator[Row]:
    """Yield the points of a line; of a level across the axes its height alone."""
    if line.get_transform() != ax.transData:
        yield from ({"curve": name, x: "", y: height} for height in dict.fromkeys(map(float, line.get_ydata())))  # type: ignore[arg-type]
        return
    for place, height in zip(line.get_xdata(orig=True), line.get_ydata(orig=True), strict=True):  # type: ignore[arg-type]
        yield {"curve": name, x: _place(ax.xaxis, place), y: _place(ax.yaxis, height)}


def _with_band(rows: Iterator[Row], band: dict[float, tuple[float, float]], x: str) -> Iterator[Row]:
    for row in rows:
        low, high = band.get(row[x], ("", "")) if isinstance(row[x], float) else ("", "")
        yield row | ({"low": low, "high": high} if band else {})


def _with_bars(ax: Axes, name: str, line: Line2D, bars: Sequence[Any], x: str, y: str) -> Iterator[Row]:
    rows = list(_points(ax, line, name.removeprefix("_"), x, y))
    for row, bar in zip(rows, bars or [None] * len(rows), strict=False):
        yield row | ({} if bar is None else {"low": float(bar[:, 1].min()), "high": float(bar[:, 1].max())})


def _ends(band: PolyCollection) -> dict[float, tuple[float, float]]:
    """Return lower and upper end of a band at each of its places."""
    found: dict[float, tuple[float, float]] = {}
    for place, height in np.concatenate([np.asarray(path.vertices) for path in band.get_paths()]):
        low, high = found.get(float(place), (height, height))
        found[float(place)] = min(low, float(height)), max(high, float(height))
    return found


def _bars(ax: Axes, bars: BarContainer, x: str, y: str) -> Iterator[Row]:
    across = bars.orientation == "horizontal"
    for bar in bars.patches:
        if across:
            yield {"curve": _name(bars, "bars"), y: _place(ax.yaxis, bar.get_y() + bar.get_height() / 2),
                   x: bar.get_width()}  # fmt: skip
        else:
            yield {"curve": _name(bars, "bars"), x: _place(ax.xaxis, bar.get_x() + bar.get_width() / 2),
                   y: bar.get_height()}  # fmt: skip


def _mesh(ax: Axes, mesh: QuadMesh, x: str, y: str) -> Iterator[Row]:
    if ax.get_label() == "<colorbar>":
        return
    for (row, column), value in np.ndenumerate(np.ma.masked_invalid(mesh.get_array()).filled(math.nan)):  # type: ignore[arg-type]
        yield {"curve": _name(mesh, "table"), x: _place(ax.xaxis, column + 0.5), y: _place(ax.yaxis, row + 0.5),
               "value": "" if math.isnan(value) else float(value)}  # fmt: skip


def _scattered(dots: PathCollection, x: str, y: str) -> Iterator[Row]:
    values = dots.get_array()
    for number, (place, height) in enumerate(np.asarray(dots.get_offsets())):
        row = {"curve": _name(dots, "points"), x: float(place), y: float(height)}
        yield row | ({} if values is None else {"value": float(values[number])})


def _place(axis: Any, value: Any) -> Any:
    """Return a place of an axis: its name where the axis has names, else the number."""
    formatter, ticks = axis.get_major_formatter(), np.asarray(axis.get_ticklocs())
    # names that were given with their places are a dictionary in a partial function
    named = isinstance(formatter, FuncFormatter) and isinstance(formatter.func, functools.partial)
    if named and len(ticks) and axis.get_scale() == "linear":
        nearest = float(ticks[np.abs(ticks - float(value)).argmin()])
        if abs(nearest - float(value)) <= 0.5:
            return formatter(nearest)
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{DIGITS}g}"
    return str(value)
