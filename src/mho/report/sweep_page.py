"""A sweep's folder as one HTML page that needs nothing but itself."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue
from mho.files import write_atomically
from mho.report.drawing import svg
from mho.report.sweep_costs import cost_figures
from mho.report.sweep_figures import error_against, error_map, label
from mho.report.sweep_points import PointErrors, axis, read_points
from mho.report.template import PER_CENT, duration, render
from mho.runs.results import DONE, FAILED, RESULTS, ResultTable, read_table

SPEC = "sweep.toml"
CURVE, HEAT = (5.0, 3.3), (5.0, 3.6)
"""Inches: two beside each other on a screen, one on a phone, at one size of letters."""
MAPS = 15
"""At most so many heat maps: all pairs of six fields."""
CURE = "restore it, or write it again with: mho sweep --resume --out {folder}"


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / RESULTS).exists()


def write_sweep_report(folder: Path) -> Path:
    """Write `report.html` from results.parquet and sweep.toml of a sweep's folder.

    The same folder gives the same bytes.

    Returns:
        The path of the page, replaced at once or not at all.

    Raises:
        WrongUse: if results.parquet is damaged.
        InvalidValue: if sweep.toml cannot be read.
    """
    table = read_table(folder / RESULTS)
    try:
        spec = (folder / SPEC).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{folder / SPEC} cannot be read ({error}); {CURE.format(folder=folder)}") from None
    path = folder / "report.html"
    write_atomically(path, _render(folder, table, spec).encode())
    return path


def _render(folder: Path, table: ResultTable, spec: str) -> str:
    points = read_points(table)
    swept = [field for field in table.fields if len(axis(field, points).values) > 1] if points else []
    pairs = list(itertools.combinations(swept, 2))
    seeds: list[int] = table.content["seeds"]
    drawn = {field: draw["log"] for field, draw in table.content["random"].items() if field in table.fields}
    return render(
        "sweep.html",
        title=f"Sweep of {_listed(table.fields) or 'seeds'}",
        version=table.version,
        headlines=_headlines(table, points) if points else [],
        curves=[_curve(number, field, points, drawn) for number, field in enumerate(swept)],
        maps=[_map(number, pair, points, drawn) for number, pair in enumerate(pairs[:MAPS])],
        costs=cost_figures(table),
        maps_left_out=max(0, len(pairs) - MAPS),
        fields=[label(field) for field in table.fields],
        best=_best(points).number if points else None,
        points=points,
        failed=[record for record in table.records if record["status"] == FAILED],
        names=table.fields,
        seeds=seeds,
        missing=_planned(table) - len(table.records),
        command=f"mho sweep {shlex.quote(str(folder / SPEC))}",
        spec=spec,
    )


def _curve(number: int, field: str, points: Sequence[PointErrors], drawn: Mapping[str, bool]) -> Any:
    words = f"Test error in per cent against {field}; the numbers are in the table of points"
    return svg(lambda ax: error_against(field, points, ax, drawn=drawn), size=CURVE, name=f"curve{number}", label=words)


def _map(number: int, pair: tuple[str, str], points: Sequence[PointErrors], drawn: Mapping[str, bool]) -> Any:
    words = f"Mean test error in per cent for every {pair[0]} and {pair[1]}"
    return svg(lambda ax: error_map(pair, points, ax, drawn=drawn), size=HEAT, name=f"map{number}", label=words)


def _best(points: Sequence[PointErrors]) -> PointErrors:
    return min(points, key=lambda point: point.interval.mean)


def _planned(table: ResultTable) -> int:
    """Rows of the whole sweep."""
    planned: int = table.content["rows"]
    return planned


def _headlines(table: ResultTable, points: Sequence[PointErrors]) -> list[tuple[str, str, str]]:
    """Number, what it is, and a remark."""
    best = _best(points)
    found = best.interval
    half = f" ± {found.half:.2f}" if found.half is not None else ""
    done = sum(record["status"] == DONE for record in table.records)
    failed = len(table.records) - done
    seeds = len(table.content["seeds"])
    return [
        (f"{found.mean:.2f}{half}{PER_CENT}", "lowest mean test error", f"point {best.number}, epoch {best.epoch}"),
        (f"{done} of {_planned(table)}", "rows done", f"{failed} failed" if failed else ""),
        (str(len(points)), "points", f"{seeds} seed{'s' if seeds > 1 else ''} each"),
        (duration(sum(point.seconds for point in points)), "training time", "sum over rows, without tests"),
    ]


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
