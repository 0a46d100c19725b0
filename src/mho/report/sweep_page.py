"""A sweep's folder as one HTML page that needs nothing but itself."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue
from mho.files import write_atomically
from mho.intervals import FROM, MEANING
from mho.report.drawing import svg
from mho.report.sweep_axes import axis
from mho.report.sweep_costs import cost_figures
from mho.report.sweep_figures import error_against, error_map, label
from mho.report.template import PER_CENT, render
from mho.runs.folder import REPORT
from mho.runs.points import PointErrors, chance_in_words, lowest, lowest_in_words, points_of
from mho.runs.results import DONE, FAILED, RESULTS, ResultTable, read_table
from mho.runs.sweep import SPEC
from mho.text import duration

CURVE, HEAT = (5.0, 3.3), (5.0, 3.6)
"""Inches: two beside each other on a screen, one on a phone, at one size of letters."""
MAPS = 15
"""At most so many heat maps: all pairs of six fields."""
CURE = "restore it, or write it again with: mho sweep --resume --out {folder}"


def is_sweep(folder: Path) -> bool:
    """Return True if a folder is that of a sweep: it has a results.json."""
    return (folder / RESULTS).exists()


def write_sweep_report(folder: Path) -> Path:
    """Write `report.html` from results.json and sweep.toml of a sweep's folder.

    The same folder gives the same bytes.

    Returns:
        The path of the page, replaced at once or not at all.

    Raises:
        WrongUse: if results.json is damaged.
        InvalidValue: if sweep.toml cannot be read.
    """
    table = read_table(folder / RESULTS)
    try:
        spec = (folder / SPEC).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{folder / SPEC} cannot be read ({error}); {CURE.format(folder=folder)}") from None
    path = folder / REPORT
    write_atomically(path, _render(folder, table, spec).encode())
    return path


def _render(folder: Path, table: ResultTable, spec: str) -> str:
    points = points_of(table.records, table.fields)
    swept = [field for field in table.fields if len(axis(field, points).values) > 1] if points else []
    pairs = list(itertools.combinations(swept, 2))
    drawn = {field: draw["log"] for field, draw in table.content["random"].items() if field in table.fields}
    return render(
        "sweep.html",
        title=f"Sweep of {_listed(table.fields) or 'seeds'}",
        version=table.version,
        headlines=_headlines(table, points) if points else [],
        curves=[_curve(field, points, drawn) for field in swept],
        lines=_lines_in_words(swept, drawn),
        maps=[_map(pair, points, drawn) for pair in pairs[:MAPS]],
        costs=cost_figures(table),
        several=len(swept) > 2,
        maps_left_out=max(0, len(pairs) - MAPS),
        fields=[label(field) for field in table.fields],
        best=[point.number for point in lowest(points)],
        points=points,
        failed=[record for record in table.records if record["status"] == FAILED],
        names=table.fields,
        meaning=_meaning(points),
        beside=_beside_in_words(points),
        missing=_planned(table) - len(table.records),
        command=f"mho sweep {shlex.quote(str(folder / SPEC))}",
        spec=spec,
    )


def _curve(field: str, points: Sequence[PointErrors], drawn: Mapping[str, bool]) -> Any:
    words = f"Test error in per cent against {field}; the numbers are in the table of points"
    return svg(lambda ax: error_against(field, points, ax, drawn=drawn), size=CURVE, name=f"error-{field}", label=words)


def _map(pair: tuple[str, str], points: Sequence[PointErrors], drawn: Mapping[str, bool]) -> Any:
    words = f"Test error in per cent for every {pair[0]} and {pair[1]}"
    return svg(
        lambda ax: error_map(pair, points, ax, drawn=drawn), size=HEAT, name=f"map-{pair[0]}-{pair[1]}", label=words
    )


def _lines_in_words(swept: Sequence[str], drawn: Mapping[str, bool]) -> str:
    """Say what a line of a figure is."""
    if drawn and len(drawn) == len(swept):
        return "Each dot is a point with random values; nothing lies between them, so there are no lines."
    if len(swept) < 2:
        return ""
    others = "the other value" if len(swept) == 2 else "the other values"
    dots = " Fields with random values have dots." if drawn else ""
    return f"Each line has one value of all but what the axis shows: no line is a mean over {others}.{dots}"


def _meaning(points: Sequence[PointErrors]) -> str:
    """Say what bands and bars are, and what stands beside a mean."""
    most = max((len(point.test) for point in points), default=0)
    if most < 2:
        return "One seed a point: there is no interval."
    if most < FROM:
        return "Bands and bars: from the lower to the higher of two seeds."
    return f"Bands, bars and {MEANING}."


def _beside_in_words(points: Sequence[PointErrors]) -> str:
    """Say what stands beside the means of the table."""
    most = max((len(point.test) for point in points), default=0)
    return "" if most < 2 else "In brackets: both seeds." if most < FROM else f"{MEANING}."


def _planned(table: ResultTable) -> int:
    """Rows of the whole sweep."""
    planned: int = table.content["rows"]
    return planned


def _chance(table: ResultTable) -> list[tuple[str, str, str]]:
    """Return the chance level as a headline, where it is known."""
    level, _, guessing = chance_in_words(table.records).removeprefix("chance ").partition(": ")
    return [(level.replace(" %", PER_CENT), "chance: test error of guessing", guessing)] if level else []


def _headlines(table: ResultTable, points: Sequence[PointErrors]) -> list[tuple[str, str, str]]:
    """Number, what it is, and a remark."""
    best = lowest(points)
    values = lowest_in_words(points, table.fields)
    remark = f"epoch {best[0].epoch}" if len(best) == 1 else ""
    beside = best[0].interval.spread() if len(best) == 1 else ""
    done = sum(record["status"] == DONE for record in table.records)
    failed = len(table.records) - done
    seeds = len(table.content["seeds"])
    return [
        (
            f"{best[0].interval.mean:.2f}{PER_CENT}",
            "lowest mean test error",
            "; ".join(filter(None, [f"{beside}{PER_CENT}" if beside else "", values, remark])),
        ),
        *_chance(table),
        (f"{done} of {_planned(table)}", "rows done", f"{failed} failed" if failed else ""),
        (str(len(points)), "points", f"{seeds} seed{'s' if seeds > 1 else ''} each"),
        (duration(sum(point.seconds for point in points)), "training time", "sum over rows, without tests"),
    ]


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
