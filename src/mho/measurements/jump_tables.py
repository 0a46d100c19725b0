"""Jump tables: the distribution of a pulse's step, measured at many conductances."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np

from mho.errors import Faults, InvalidValue
from mho.measurements.cells import clean, is_comment, is_number, number, split
from mho.measurements.delimiters import find_delimiter
from mho.measurements.grid import check_width
from mho.measurements.record import Floats
from mho.measurements.text import FileFaults, read_lines, shown

MOST_CELLS = 4_000_000
Row = tuple[int, list[str]]
"""Number of the line, and its cells."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class JumpTables:
    """Quantiles of the change of conductance at one pulse, by direction: B states, Q points of the distribution.

    To draw a step at a state, take u uniform in [0, 1] and interpolate the row of that state at u.

    Attributes:
        source: the two files.
        states_up: (B,) conductances, ascending.
        points_up: (Q,) of the cumulative distribution, ascending within [0, 1].
        jumps_up: (B, Q) changes at one up pulse, in the units of the states.
        states_down: as `states_up`, for down pulses.
        points_down: points of the distribution of down pulses, (Q,).
        jumps_down: changes by down pulses, (B, Q); most are negative.
        unit: unit of states and jumps.
        notes: how the files were read, a sentence each, for the user.
    """

    source: str
    states_up: Floats
    points_up: Floats
    jumps_up: Floats
    states_down: Floats
    points_down: Floats
    jumps_down: Floats
    unit: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = Faults("jump tables")
        for way in ("up", "down"):
            states, points, jumps = (getattr(self, f"{name}_{way}") for name in ("states", "points", "jumps"))
            if states.ndim != 1 or len(states) < 2 or not (np.diff(states) > 0).all():
                faults.add(f"states_{way} do not ascend; give at least 2 conductances, the lowest first")
            if (
                points.ndim != 1
                or len(points) < 2
                or not ((np.diff(points) > 0).all() and 0 <= points[0] <= points[-1] <= 1)
            ):
                faults.add(f"points_{way} do not ascend within [0, 1]; give at least 2 points of the distribution")
            if jumps.shape != (len(states), len(points)):
                faults.add(
                    f"jumps_{way} have shape {jumps.shape}; give ({len(states)}, {len(points)}), state and point"
                )
            elif not np.isfinite(jumps).all():
                faults.add(f"jumps_{way} hold NaN or infinite numbers; give a change at every state and point")
        faults.raise_any()


def read_jump_table(increasing: str | os.PathLike[str], decreasing: str | os.PathLike[str]) -> JumpTables:
    """Read a pair of jump tables in the format of CrossSim (Sandia National Laboratories).

    A title; the conductances; the points of the cumulative distribution; then a row of jumps for each point, with a
    column for each conductance.

    Args:
        increasing: table of up pulses.
        decreasing: table of down pulses.

    Raises:
        InvalidValue: naming the file, and line and column of every fault.
    """
    up, down = (_read_table(file) for file in (increasing, decreasing))
    if np.mean(up[2]) < 0 < np.mean(down[2]):
        raise InvalidValue(
            f"{os.fspath(increasing)}: its jumps are negative in the mean ({np.mean(up[2]):.3g}), and those of "
            f"{os.fspath(decreasing)} positive; give the increasing table first"
        )
    notes = []
    for way, file, (states, points, jumps) in (("up", increasing, up), ("down", decreasing, down)):
        notes.append(f"{way}: {Path(file).name}, {len(states)} conductances, {len(points)} points of the distribution")
        mean = float(np.mean(jumps))
        if (mean < 0) == (way == "up"):
            notes.append(f"{Path(file).name}: its jumps are {mean:.3g} in the mean, for pulses that go {way}")
        if points[0] > 0 or points[-1] < 1:
            notes.append(f"{Path(file).name}: the distribution is known from {points[0]:g} to {points[-1]:g} only")
    source = f"{os.fspath(increasing)}, {os.fspath(decreasing)}"
    return JumpTables(source, *up, *down, "S", tuple(notes))


def is_jump_table(file: str | os.PathLike[str]) -> bool:
    """Return True if a text is a jump table: a title, ascending numbers, numbers from 0 to 1, then rows.

    Raises:
        InvalidValue: when the file is no text.
    """
    rows, decimal, _ = _rows(os.fspath(file), most=4)
    if len(rows) < 3 or min(len(rows[0][1]), len(rows[1][1])) < 4:
        return False
    states, points = (np.array([number(cell, decimal) or 0.0 for cell in row]) for _, row in rows[:2])
    same = len(rows[2][1]) == len(states) != len(points)
    # all but a tenth, so that faulty tables are told their faults and not taken for pulses
    ascends = all(np.mean(np.diff(values) > 0) >= 0.9 for values in (states, points))
    within = np.mean((points >= 0) & (points <= 1)) >= 0.9
    return bool(ascends and within and (same or (points[0] == 0 and points[-1] == 1) or "cdf" in _title(file)))


def mean_jump(file: str | os.PathLike[str]) -> float:
    """Return the mean of all jumps of a table, by which the increasing table is recognised.

    Raises:
        InvalidValue: as `read_jump_table`.
    """
    return float(np.mean(_read_table(file)[2]))


def _title(file: str | os.PathLike[str]) -> str:
    lines, _ = read_lines(file)
    return " ".join(lines[:1]).lower()


def _rows(name: str, most: int | None = None) -> tuple[list[Row], str, Sequence[str]]:
    """Return the rows below the title, without empty rows, and their decimal sign.

    Args:
        most: rows to read.
    """
    lines, notes = read_lines(name)
    check_width(name, lines)
    full = [(at, line) for at, line in enumerate(lines, 1) if line.strip() and not is_comment(clean(line))]
    found = find_delimiter([line for _, line in full], None, None)
    if found is None:
        raise InvalidValue(
            f"{name}: line {full[0][0] if full else 1}, column 1: no line has a number; give a table of readings or "
            "jumps"
        )
    delimiter, decimal, _ = found
    rows: list[Row] = []
    for at, line in full:
        cells = split(line, delimiter)
        while cells and not cells[-1]:
            cells.pop()
        # the title is words, the bins are numbers
        if cells and (rows or sum(is_number(cell, decimal) for cell in cells) > len(cells) / 2):
            rows.append((at, cells))
        if most is not None and len(rows) == most:
            break
    return rows, decimal, notes


def _read_table(file: str | os.PathLike[str]) -> tuple[Floats, Floats, Floats]:
    """States (B,), points (Q,) and jumps (B, Q) of one file."""
    name = os.fspath(file)
    rows, decimal, _ = _rows(name)
    faults = FileFaults(name)
    if len(rows) < 4:
        line = rows[-1][0] if rows else 1
        faults.add(
            f"the table has {len(rows)} rows of numbers; give conductances, points of the distribution, and a row of "
            "jumps for each point",
            line,
            "1",
        )
        faults.raise_any()
    (at_states, states), (at_points, points), *matrix = rows
    if len(states) * len(matrix) > MOST_CELLS:
        raise InvalidValue(
            f"{name}: line {at_states}, column 1: {len(states)} conductances and {len(matrix)} rows are more than "
            f"{MOST_CELLS} jumps; give fewer"
        )
    bins = ascending(at_states, states, decimal, "conductances", faults)
    cdf = ascending(at_points, points, decimal, "points of the distribution", faults)
    for column in map(int, np.flatnonzero((cdf < 0) | (cdf > 1))):
        cell = points[column]
        faults.add(f"{shown(cell)} is no point of a distribution; give 0 to 1", at_points, str(column + 1))
    _check_shape(rows, faults)
    jumps = np.zeros((len(matrix), len(states)))
    for place, (line, row) in enumerate(matrix):
        for column, cell in enumerate(row[: len(states)]):
            value = number(cell, decimal)
            if value is None or not np.isfinite(value):
                faults.add(f"{shown(cell)} is no jump; give a number of siemens", line, str(column + 1))
            else:
                jumps[place, column] = value
    if not faults.found:
        for place, column in np.argwhere(np.diff(jumps, axis=0) < 0).tolist():
            fault = f"{matrix[place + 1][1][column]} is less than the jump above; quantiles ascend down a column"
            faults.add(fault, matrix[place + 1][0], str(column + 1))
    faults.raise_any()
    return bins, cdf, np.ascontiguousarray(jumps.T)


def ascending(line: int, cells: Sequence[str], decimal: str, what: str, faults: FileFaults) -> Floats:
    """Return a row of ascending numbers, after noting a fault if they do not ascend."""
    values = np.full(len(cells), np.nan)
    for column, cell in enumerate(cells):
        value = number(cell, decimal)
        if value is None or not np.isfinite(value):
            faults.add(f"{shown(cell)} is no number; {what} stand in this line", line, str(column + 1))
        else:
            values[column] = value
    for column in map(int, np.flatnonzero(np.diff(values) <= 0)):
        fault = f"{shown(cells[column + 1])} is not above {cells[column]}; give {what} in ascending order"
        faults.add(fault, line, str(column + 2))
    if len(cells) < 2:
        faults.add(f"only {len(cells)} of the {what}; give at least 2", line, "1")
    return values


def _check_shape(rows: Sequence[Row], faults: FileFaults) -> None:
    """Note rows that are too long or too short, and too many or few of them."""
    (_, states), (at_points, points), *matrix = rows
    turned = len(matrix) == len(states) and all(len(row) == len(points) for _, row in matrix)
    if turned and len(states) != len(points):
        faults.add(
            f"the rows are conductances ({len(states)}) and the columns points ({len(points)}); turn the matrix round",
            matrix[0][0],
            "1",
        )
        return
    for line, row in matrix:
        if len(row) != len(states):
            faults.add(
                f"the row has {len(row)} jumps; give {len(states)}, one per conductance",
                line,
                str(min(len(row), len(states)) + 1),
            )
    if len(matrix) != len(points):
        faults.add(
            f"{len(points)} points of the distribution, and {len(matrix)} rows of jumps down to line {rows[-1][0]}; "
            "give one row per point",
            at_points,
            str(len(points)),
        )
