"""read_pulses: files of pulses in the layouts that people have."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mho.errors import InvalidValue, in_words
from mho.measurements.columns import find_roles, unit_of
from mho.measurements.directions import signs_of_voltage, signs_of_words
from mho.measurements.formats import READINGS, Format
from mho.measurements.grid import Grid, read_grid
from mho.measurements.record import Floats, Measurement
from mho.measurements.series import MOST_PULSES, Ints, Series, counted, trace_of
from mho.measurements.text import FileFaults, shown
from mho.measurements.units import inverse_ohms, is_unit, kind_of, split_unit
from mho.measurements.vocabulary import DOWN, UP, direction_of, words

File = str | os.PathLike[str]
MOST_NOTES = 12
"""Notes of one file; of many devices not every one is told."""
ARBITRARY = "a.u."


@in_words
def read_pulses(files: File | Sequence[File], form: Format | None = None) -> Measurement:
    """Read conductances of devices between pulses.

    Delimiter, decimal sign, heading, units and layout are found out, and what was found is told in the notes: one
    column of readings, whose turning points are found; a column that counts pulses; a column up and a column down; a
    column that says the direction, or the voltage, of the pulse before each reading; devices by a column of names, by
    columns, or by files. Currents are taken as they are, resistances R as 1/R. A gap is an empty cell, NaN, or a dash.

    Args:
        files: one or several text tables; several are several devices, or an up and a down file of one.
        form: what is given and not found out.

    Returns:
        One trace a device, in the units of the file.

    Raises:
        InvalidValue: naming the file, and line and column of every fault.
    """
    form = form or Format()
    given = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if not given:
        raise InvalidValue("no file is given; name at least one")
    ways = [direction_of(Path(file).stem) for file in given]
    paired = len(given) > 1 and all(ways) and len(set(ways)) == 2 and form.direction is None and form.turns is None
    groups: dict[str, list[Series]] = {}
    owners: dict[str, FileFaults] = {}
    notes: list[str] = []
    units: list[str] = []
    for file, way in zip(given, ways, strict=True):
        found, unit, more = _read_file(file, form, way if paired else 0)
        units.append(unit)
        prefix = f"{Path(file).name}: " if len(given) > 1 else ""
        notes += [prefix + note for note in more]
        names = _names_of(found, Path(file).stem, paired, len(given) > 1)
        for name, parts in zip(names, found, strict=True):
            if name in groups and not paired:
                name = next(f"{name} {k}" for k in range(2, len(groups) + 3) if f"{name} {k}" not in groups)
            groups.setdefault(name, []).extend(parts)
            owners.setdefault(name, FileFaults(os.fspath(file)))
    unit = form.unit or _one_unit(given, units)
    source = ", ".join(os.fspath(file) for file in given)
    return _measurement(source, groups, owners, unit, notes, form)


def _measurement(
    source: str,
    groups: dict[str, list[Series]],
    owners: dict[str, FileFaults],
    unit: str,
    notes: list[str],
    form: Format,
) -> Measurement:
    """Traces of all devices; their faults are told together."""
    names = list(groups)
    if form.devices is not None:
        if len(form.devices) != len(groups):
            raise InvalidValue(
                f"{source}: devices names {len(form.devices)}, and the table has {len(groups)} "
                f"({', '.join(names[:8])}); give one name each"
            )
        names = list(form.devices)
    traces, told = [], []
    for name, (key, parts) in zip(names, groups.items(), strict=True):
        named = [Series(name, s.label, s.lines, s.values, s.counts, s.starts, s.signs) for s in parts]
        trace, more = trace_of(named, form, owners[key])
        told += [f"{name}: {note}" if len(groups) > 1 and name not in note else note for note in more]
        if trace is not None:
            traces.append(trace)
    _raise_all(list(owners.values()))
    if len(told) > MOST_NOTES:
        told = [*told[:MOST_NOTES], f"and {len(told) - MOST_NOTES} more notes on devices"]
    return Measurement(source, tuple(traces), unit, tuple(dict.fromkeys([*notes, *told])))


def _raise_all(owners: Sequence[FileFaults]) -> None:
    by_file: dict[str, FileFaults] = {}
    for faults in owners:
        by_file.setdefault(faults.file, FileFaults(faults.file)).found += faults.found
    for faults in by_file.values():
        faults.raise_any()


def _names_of(found: Sequence[list[Series]], stem: str, paired: bool, several: bool) -> list[str]:
    """The devices of one file by name; that of the file where it has one."""
    if paired:
        stem = " ".join(word for word in words(stem) if word not in UP | DOWN) or "device"
    names = [parts[0].device for parts in found]
    if len(names) == 1 and not names[0]:
        return [stem]
    names = [name or f"{stem} {number}" for number, name in enumerate(names, 1)]
    return [f"{stem} {name}" for name in names] if several else names


def _one_unit(files: Sequence[File], units: Sequence[str]) -> str:
    known = [(file, unit) for file, unit in zip(files, units, strict=True) if unit != ARBITRARY]
    different = [(file, unit) for file, unit in known if unit != known[0][1]]
    if different:
        file, unit = different[0]
        raise InvalidValue(
            f"{os.fspath(file)}: its readings are in {unit}, those of {os.fspath(known[0][0])} in {known[0][1]}; "
            "give files in one unit, or give unit if they are"
        )
    return known[0][1] if known else ARBITRARY


def _read_file(file: File, form: Format, way: int) -> tuple[list[list[Series]], str, list[str]]:
    """The devices of one file, each as its parts, their unit, and notes.

    Args:
        way: +1 or -1 where the name of the file says it.
    """
    grid = read_grid(file, form)
    if not grid.lines:
        faults = FileFaults(grid.file)
        faults.add(
            "no line is a row of a table of numbers; give readings as text, a row each, for example as CSV", 1, "1"
        )
        faults.raise_any()
    roles, notes = find_roles(grid, form)
    notes = [*grid.notes, *notes]
    faults = FileFaults(grid.file)
    _check_options(grid, roles, form, faults)
    columns = [column for column, role in enumerate(roles) if role in READINGS]
    unit, more = _unit(grid, columns, form, faults)
    notes += more
    values = {column: grid.numbers(column, faults) for column in columns}
    if kind_of(unit_of(grid, columns[0])) == "ohm":
        values = {column: _inverse(grid, column, values[column], faults) for column in columns}
    signs: Ints | None = None
    for column, role in enumerate(roles):
        if role == "direction":
            signs = signs_of_words(grid, column, faults)
        elif role == "voltage":
            signs, more = signs_of_voltage(grid, column, values[columns[0]], faults)
            notes += more
    if signs is not None:
        notes.append("a row's pulse is the one before its reading")
    numbers = next((_count(grid, column, faults) for column, role in enumerate(roles) if role == "number"), None)
    devices = next((grid.cells(column) for column, role in enumerate(roles) if role == "device"), None)
    faults.raise_any()
    if numbers is not None:
        notes += _count_notes(numbers)
    found = _grouped(grid, roles, values, signs, numbers, devices, form, way)
    return found, unit, notes


def _check_options(grid: Grid, roles: Sequence[str], form: Format, faults: FileFaults) -> None:
    """Options that would do nothing."""
    told = next((role for role in ("direction", "voltage", "up", "down") if role in roles), None)
    for option, value in (("direction", form.direction), ("turns", form.turns)):
        if value is not None and told is not None:
            column = roles.index(told)
            faults.add(
                f"{option} is given, but this column says it ({told}); leave it out", grid.lines[0], grid.label(column)
            )
    if form.every is not None and "number" in roles:
        column = roles.index("number")
        faults.add("every is given, but this column counts the pulses; leave it out", grid.lines[0], grid.label(column))


def _unit(grid: Grid, columns: Sequence[int], form: Format, faults: FileFaults) -> tuple[str, list[str]]:
    """The unit of all readings, and a note where it is not of a conductance."""
    if form.unit is not None:
        return form.unit, []
    units = {column: unit_of(grid, column) for column in columns}
    for column in columns:
        _check_beside(grid, column, faults)
    named = [column for column in columns if units[column]]
    for column in named[1:]:
        if units[column] != units[named[0]]:
            faults.add(
                f"it is in {units[column]}, and column {grid.label(named[0])} in {units[named[0]]}; give readings in "
                "one unit, or skip a column with columns",
                grid.lines[0],
                grid.label(column),
            )
    if not named:
        return ARBITRARY, ["no unit is named (unit gives it)"]
    unit = units[named[0]]
    kind = kind_of(unit)
    if kind == "A":
        return unit, [f"current in {unit} is taken as it is: it is proportional to conductance at one read voltage"]
    if kind == "ohm":
        return inverse_ohms(unit), [f"resistance R in {unit} is read as conductance 1/R in {inverse_ohms(unit)}"]
    return unit, []


def _check_beside(grid: Grid, column: int, faults: FileFaults) -> None:
    """Note rows whose unit, in the next column, is not that of the first."""
    cells = grid.cells(column + 1) if column + 1 < grid.width else []
    full = [(line, cell) for line, cell in zip(grid.lines, cells, strict=False) if cell]
    if full and all(is_unit(cell) and kind_of(cell) for _, cell in full):
        for line, cell in full:
            if cell != full[0][1]:
                fault = f"the reading is in {cell}, and that of line {full[0][0]} in {full[0][1]}; give all in one unit"
                faults.add(fault, line, grid.label(column + 1))


def _inverse(grid: Grid, column: int, values: Floats, faults: FileFaults) -> Floats:
    for place in np.flatnonzero(values <= 0):
        fault = f"a resistance of {values[place]:g} has no conductance; give numbers above 0, or another unit"
        faults.add(fault, grid.lines[place], grid.label(column))
    return np.where(values > 0, 1.0 / np.where(values > 0, values, 1.0), np.nan)


def _count(grid: Grid, column: int, faults: FileFaults) -> Floats:
    """A column that counts pulses; what is not whole is a fault."""
    numbers = grid.numbers(column, faults)
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero((numbers != np.round(numbers)) & np.isfinite(numbers) | (np.abs(numbers) > MOST_PULSES))
    for place in wrong:
        cell = grid.rows[place][1][column]
        faults.add(
            f"{shown(cell)} is no count of pulses; give whole numbers, or give columns if the column counts nothing",
            grid.lines[place],
            grid.label(column),
        )
    return numbers


def _count_notes(numbers: Floats) -> list[str]:
    counts, _, down = counted(numbers)
    steps = counts[counts > 0]
    notes = ["the count of pulses also falls row by row, where it is taken to count them down"] if down else []
    if len(steps) and np.median(steps) != 1:
        notes.append(f"{int(np.median(steps))} pulses between most readings, by their count")
    return notes


def _grouped(
    grid: Grid,
    roles: Sequence[str],
    values: dict[int, Floats],
    signs: Ints | None,
    numbers: Floats | None,
    devices: Sequence[str] | None,
    form: Format,
    way: int,
) -> list[list[Series]]:
    """Series by device: rows by the column of names, columns by theirs."""
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(devices or [""] * len(grid.rows)):
        rows_of.setdefault(name, []).append(row)
    if devices is not None and len(rows_of) > 1:
        rows_of.pop("", None)  # blank lines are of no device
    found: list[list[Series]] = []
    for name, rows in rows_of.items():
        for key, columns in _columns_of(grid, roles).items():
            parts = []
            for column in columns:
                fixed = {"up": 1, "down": -1}.get(roles[column], way)
                own = np.full(len(rows), fixed, dtype=np.int64) if fixed else None if signs is None else signs[rows]
                starts: tuple[int, ...] = ()
                if numbers is None:
                    counts = np.full(max(len(rows) - 1, 0), form.every or 1, dtype=np.int64)
                else:
                    counts, starts, _ = counted(numbers[rows])
                lines = tuple(grid.lines[row] for row in rows)
                label = " ".join(filter(None, (name, key)))
                parts.append(Series(label, grid.label(column), lines, values[column][rows], counts, starts, own))
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
    """The name of a column without unit and without up or down."""
    parts = re.findall(r"[A-Za-zµ]+|\d+", split_unit(name)[0])
    return " ".join(part for part in parts if part.lower() not in UP | DOWN)
