"""One file of pulses: from its table to the series of its devices."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence

import numpy as np

from mho.errors import InvalidValue, nearest
from mho.measurements.column import Column, of_role
from mho.measurements.columns import find_roles
from mho.measurements.formats import READINGS, Format
from mho.measurements.grid import Grid, read_grid
from mho.measurements.record import Floats, Notes
from mho.measurements.rows import (
    Actions,
    Ints,
    Rows,
    averaged_by_count,
    begun_before,
    find_actions,
    followed,
    turned_by_voltage,
)
from mho.measurements.scale import scaled
from mho.measurements.series import MOST_PULSES, Series, counted
from mho.measurements.tables import rows_are_devices
from mho.measurements.text import FileFaults, shown
from mho.measurements.units import split_unit
from mho.measurements.vocabulary import DOWN, UP, fold
from mho.spoken import option


def read_file(file: str | os.PathLike[str], form: Format, way: int, notes: Notes) -> tuple[list[list[Series]], str]:
    """Return the devices of one file, each as its parts, and their unit.

    Args:
        file: to read.
        form: what the user gives.
        way: +1 or -1 where the name of the file says it.
        notes: where it is noted how the file was read.
    """
    grid = _grid(file, form, notes)
    notes.add(*grid.notes)
    columns = find_roles(grid, form, notes)
    faults = FileFaults(grid.file)
    _check_options(grid, columns, form, faults)
    actions = find_actions(grid, columns, faults, notes)
    reads = actions.reads.tolist() if actions is not None and actions.parted else None
    readings = scaled(columns, form, reads, faults, notes)
    numbers = next((_count(column, faults) for column in of_role(columns, "number")), None)
    sent = next((_count(column, faults) for column in of_role(columns, "sent")), None)
    for up, down in zip(of_role(columns, "sent_up"), of_role(columns, "sent_down"), strict=True):
        sent = np.nan_to_num(_count(up, faults)) - np.nan_to_num(_count(down, faults))
    faults.raise_any()
    if actions is not None and not actions.parted:
        notes.add("a row's pulse comes before its reading")
    before = of_role(columns, "before") if len(of_role(columns, *READINGS)) == 1 else []
    table = _rows_of_table(grid, readings.values, actions, numbers, sent, form, notes, begun=bool(before))
    for column in (
        of_role(columns, "number") if actions is not None and actions.parted and table.numbers is None else []
    ):
        column.decide("count of rows", "pulses stand in rows of their own")
    notes.decisions += [column.decision for column in columns if not grid.is_empty(column.number)]
    groups = _by_device(grid, columns, table, actions)
    voltage = next(iter(of_role(columns, "voltage")), None)
    first = of_role(columns, *READINGS)[0].number
    by_voltage = actions is not None and actions.signs is not None and not of_role(columns, "direction", "up", "down")
    if voltage is not None and by_voltage:
        groups = _turned(voltage, groups, first, notes)
    if before:
        groups = {name: begun_before(rows, first, rows.values[before[0].number]) for name, rows in groups.items()}
    if table.numbers is not None and len(groups):
        _note_counts(next(iter(groups.values())).numbers, notes)
    return _series(grid, columns, groups, form, way), readings.unit


def _grid(file: str | os.PathLike[str], form: Format, notes: Notes) -> Grid:
    """Return the grid of a file, transposed where each row is a device, with the chosen columns reversed."""
    grid = read_grid(file, form)
    faults = FileFaults(grid.file)
    if not grid.lines:
        faults.add(
            "no line is a row of a table of numbers; give readings as text, a row each, for example as CSV", 1, "1"
        )
    elif form.columns is None and not form.transpose:
        along = rows_are_devices(grid)
        if along == "ramps":
            grid = read_grid(file, dataclasses.replace(form, transpose=True))
            notes.warn(
                "each row is read as a device, because readings move along rows and not down columns ("
                f"{option('columns')} changes it)"
            )
        elif along:
            faults.add(
                "rows or columns? Readings jump between two levels along each row, and do not move down the columns: "
                f"one row seems to be a device that is switched in every cell. With {option('transpose')} rows are "
                f"devices; with {option('columns', '...')} columns are; laws are fitted to ramps of several pulses of "
                "one direction",
                grid.lines[0],
                "1",
            )
    faults.raise_any()
    return dataclasses.replace(grid, rows=_reversed(grid, form, notes)) if form.reversed else grid


def _reversed(grid: Grid, form: Format, notes: Notes) -> tuple[tuple[int, list[str]], ...]:
    """Return the rows of a table with the cells of some columns from the last to the first."""
    rows = [list(row) for _, row in grid.rows]
    bare = [split_unit(name)[0] for name in grid.names]
    for name in form.reversed:
        at = [k for k in range(grid.width) if name in (str(k + 1), grid.names[k], bare[k])]
        if len(at) != 1:
            known = [name for name in bare if name] or list(map(str, range(1, grid.width + 1)))
            which = "no column" if not at else f"{len(at)} columns"
            raise InvalidValue(
                f"{grid.file}: line {grid.lines[0]}, column 1: reverse names {name!r}, and {which} of the table is "
                "called so"
                f"{nearest(name, known)} (or give its number, from 1 on)"
            )
        full = [place for place, row in enumerate(rows) if row[at[0]]]
        turned = [grid.rows[place][1][at[0]] for place in reversed(full)]
        for place, cell in zip(full, turned, strict=True):
            rows[place][at[0]] = cell
        notes.add(f"column {grid.label(at[0])} is read from its last row to its first ({option('reverse')})")
    return tuple((line, row) for (line, _), row in zip(grid.rows, rows, strict=True))


def _check_options(grid: Grid, columns: Sequence[Column], form: Format, faults: FileFaults) -> None:
    """Options that would do nothing."""
    directed = next(iter(of_role(columns, "direction", "voltage", "up", "down")), None)
    for name, value in (("direction", form.direction), ("turns", form.turns)):
        if value is not None and directed is not None:
            fault = f"{option(name)} is given, but this column says it ({directed.role}); leave it out"
            faults.add(fault, grid.lines[0], directed.label)
    counts = next(iter(of_role(columns, "number", "sent", "sent_up")), None)
    if form.every is not None and counts is not None:
        fault = f"{option('every')} is given, but this column counts the pulses; leave it out"
        faults.add(fault, grid.lines[0], counts.label)


def _rows_of_table(
    grid: Grid,
    values: dict[int, Floats],
    actions: Actions | None,
    numbers: Floats | None,
    sent: Floats | None,
    form: Format,
    notes: Notes,
    *,
    begun: bool,
) -> Rows:
    """Return all rows of the table, with the pulses and the direction of each as far as the file says them.

    Args:
        grid: the table.
        values: readings by column.
        actions: what the rows are.
        numbers: (N,) pulses so far.
        sent: (N,) pulses sent before each reading.
        form: what the user gives.
        notes: where it is noted what was found.
        begun: whether readings before the pulses stand in a column of their own, so that each row has pulses.
    """
    signs = None if actions is None else actions.signs
    moves: Ints | None = None
    if sent is not None:
        known = np.nan_to_num(sent).astype(np.int64)
        moves = np.abs(known)
        if signs is None and np.any(known < 0):
            signs = np.sign(known)
            notes.add("the sign of the pulses sent is their direction")
    elif actions is not None and actions.parted:
        moves = np.where(actions.reads, 0, form.every or 1).astype(np.int64)
        if numbers is not None:
            steps = np.diff(numbers, prepend=numbers[:1] - 1)
            if not np.any(steps[actions.reads] > 0):  # it counts pulses, and not rows
                moves = np.nan_to_num(np.where(actions.reads, 0, np.abs(steps))).astype(np.int64)
        numbers = None
    elif numbers is None and signs is not None and np.any(signs == 0):
        moves = np.where(signs != 0, form.every or 1, 0).astype(np.int64)
    elif begun:
        moves = np.full(len(grid.rows), form.every or 1, dtype=np.int64)
        if numbers is not None:
            moves[1:] = np.abs(np.nan_to_num(np.diff(numbers))).astype(np.int64)
        numbers = None
    return Rows(tuple(grid.lines), values, numbers, moves, signs)


def _by_device(grid: Grid, columns: Sequence[Column], table: Rows, actions: Actions | None) -> dict[str, Rows]:
    """Return the readings of each device by its name, with the pulses between them."""
    named = of_role(columns, "device")
    names = [" ".join(row[column.number] for column in named) for _, row in grid.rows]
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name, []).append(row)
    if named and len(rows_of) > 1:
        rows_of.pop(" ".join("" for _ in named), None)  # blank lines are of no device
    direction = next((column.number for column in of_role(columns, "direction")), None)
    unknown = np.array([not any(row) or (direction is not None and not row[direction]) for _, row in grid.rows])
    found = {}
    for name, kept in rows_of.items():
        own = table.at(kept)
        if own.moves is not None:
            reads = np.ones(len(kept), dtype=bool) if actions is None else actions.reads[kept]
            signs = own.signs if own.signs is not None else np.ones(len(kept), dtype=np.int64)
            own = followed(dataclasses.replace(own, signs=signs), reads, unknown[kept])
            own = own if table.signs is not None else dataclasses.replace(own, signs=None)
        elif own.numbers is not None and np.mean(np.diff(own.numbers) == 0) > 0.2:
            own = averaged_by_count(own)
        found[name] = own
    return found


def _turned(voltage: Column, groups: dict[str, Rows], first: int, notes: Notes) -> dict[str, Rows]:
    """Devices with the signs of voltages as directions of pulses."""
    apart = np.full(1, np.nan)
    signs = np.concatenate([np.append(rows.signs, 0) for rows in groups.values() if rows.signs is not None])
    values = np.concatenate([np.append(rows.values[first], apart) for rows in groups.values()])
    factor = -1 if np.any(turned_by_voltage(voltage, signs, values, notes) != signs) else 1
    return {
        name: dataclasses.replace(rows, signs=None if rows.signs is None else factor * rows.signs)
        for name, rows in groups.items()
    }


def _count(column: Column, faults: FileFaults) -> Floats:
    """Return the numbers of a column that counts pulses, after noting a fault for numbers that are not whole."""
    grid = column.grid
    numbers = grid.numbers(column.number, faults)
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero((numbers != np.round(numbers)) & np.isfinite(numbers) | (np.abs(numbers) > MOST_PULSES))
    for place in wrong:
        cell = grid.rows[place][1][column.number]
        faults.add(
            f"{shown(cell)} is no count of pulses; give whole numbers, or give "
            f"{option('columns')} if the column counts nothing",
            grid.lines[place],
            column.label,
        )
    return numbers


def _note_counts(numbers: Floats | None, notes: Notes) -> None:
    if numbers is None:
        return
    counts, _, down = counted(numbers)
    steps = counts[counts > 0]
    if down:
        notes.add("the count of pulses also falls row by row, where it is taken to count them down")
    if len(steps) and np.median(steps) != 1:
        notes.add(f"{int(np.median(steps))} pulses between most readings, by their count")


def _series(
    grid: Grid, columns: Sequence[Column], groups: dict[str, Rows], form: Format, way: int
) -> list[list[Series]]:
    """Series by device: rows by the column of names, columns by theirs."""
    roles = [column.role for column in columns]
    found: list[list[Series]] = []
    for name, rows in groups.items():
        starts: tuple[int, ...] = ()
        if rows.moves is not None:
            counts = rows.moves[1:]
        elif rows.numbers is not None:
            counts, starts, _ = counted(rows.numbers)
        else:
            counts = np.full(max(len(rows.lines) - 1, 0), form.every or 1, dtype=np.int64)
        for key, of_device in _columns_of(grid, roles).items():
            parts = []
            for column in of_device:
                fixed = {"up": 1, "down": -1}.get(roles[column], way)
                signs = np.full(len(rows.lines), fixed, dtype=np.int64) if fixed else rows.signs
                label = " ".join(filter(None, (name, key)))
                parts.append(Series(label, grid.label(column), rows.lines, rows.values[column], counts, starts, signs))
            found.append(parts)
    return found


def _columns_of(grid: Grid, roles: Sequence[str]) -> dict[str, list[int]]:
    """Columns of readings by device: up and down columns of one name, or by turns, belong together."""
    columns = [column for column, role in enumerate(roles) if role in READINGS]
    if len(columns) == 1:
        return {"": columns}
    ups, downs = ([column for column in columns if roles[column] == role] for role in ("up", "down"))
    if len(ups) == len(downs) == 1 and len(columns) == 2:
        return {"": columns}
    bare = {column: _bare(grid.names[column]) for column in columns}
    if len(ups) == len(downs) and len(columns) == 2 * len(ups):
        pairs = {bare[up]: [up, down] for up in ups for down in downs if bare[up] == bare[down]}
        if len(pairs) < len(ups):
            pairs = {f"device {k}": sorted(pair) for k, pair in enumerate(zip(ups, downs, strict=True), 1)}
            return {key: list(pair) for key, pair in pairs.items()}
        return pairs
    names = [split_unit(grid.names[column])[0] or f"column {column + 1}" for column in columns]
    return {
        name if names.count(name) == 1 else f"{name} (column {column + 1})": [column]
        for name, column in zip(names, columns, strict=True)
    }


def _bare(name: str) -> str:
    """Return the name of a column without unit and without up or down."""
    parts = re.findall(r"[^\W\d_]+|\d+", split_unit(name)[0])
    return " ".join(part for part in parts if fold(part) not in UP | DOWN)
