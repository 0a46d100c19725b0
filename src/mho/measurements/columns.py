"""Roles of the columns of a table, by their names, units and contents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.measurements.column import KINDS, TAKEN_AS, Column, of_role
from mho.measurements.column_counts import counts_up, decide_counts, is_axis
from mho.measurements.column_directions import find_opposites, keep_one_direction
from mho.measurements.column_names import role_by_name
from mho.measurements.column_voltages import decide_direction_voltages, decide_voltages
from mho.measurements.formats import READINGS, Format
from mho.measurements.grid import Grid
from mho.measurements.ramps import find_ramps
from mho.measurements.record import Floats, Notes
from mho.measurements.tables import refuse_other_tables
from mho.measurements.text import FileFaults
from mho.measurements.vocabulary import WORDS
from mho.spoken import option


def find_roles(grid: Grid, form: Format, notes: Notes) -> list[Column]:
    """Return the columns of a table with their roles, as given or found out.

    Raises:
        InvalidValue: when the given columns are not those of the file, or the table is not one of pulses.
    """
    columns = [Column(grid, number) for number in range(grid.width)]
    if form.roles is not None:
        _given(grid, columns, form.roles)
    else:
        for column in columns:
            column.decide(*role_by_name(column))
        _decide_devices(columns)
        keep_one_direction(columns)
        _decide_differences(columns)
        _decide_leakage(columns)
        decide_counts(columns)
        _decide_unknown(columns)
        decide_voltages(columns)
        find_opposites(columns)
        refuse_other_tables(grid, columns)
        decide_direction_voltages(columns)
        _one_kind(columns)
        _pairs(columns, form, notes)
        if not any(column.role in READINGS for column in columns):
            _no_readings(grid, columns)
        _note_roles(columns, notes)
    return columns


def _given(grid: Grid, columns: Sequence[Column], roles: Sequence[str]) -> None:
    """Take the roles that the user gives."""
    if len(roles) != grid.width:
        faults = FileFaults(grid.file)
        faults.add(
            f"the table has {grid.width} columns, and {option('columns')} names {len(roles)} ({','.join(roles)}); give "
            "one for each, skip for those that do not count",
            grid.lines[0],
            str(min(len(roles), grid.width)),
        )
        faults.raise_any()
    for column, role in zip(columns, roles, strict=True):
        column.decide(role, "given")


def _note_roles(columns: Sequence[Column], notes: Notes) -> None:
    left = [c.label for c in columns if c.role not in TAKEN_AS and not c.grid.is_empty(c.number)]
    left += [c.label for c in columns if c.role == "skip" and not c.grid.is_empty(c.number)]
    if left:
        notes.add(f"left out: column {', '.join(left)}")
    if len(columns) > 1:
        kept = ",".join(c.role if c.role in TAKEN_AS else "skip" for c in columns)
        if len(kept) < 200:
            notes.add(f'columns read as "{kept}" ({option("columns", "...")} changes it)')


def _decide_devices(columns: Sequence[Column]) -> None:
    """Find the column that says which device a row is of, or the two columns with its row and column in an array."""
    found = of_role(columns, "device")
    addresses = [column for column in found if column.words & WORDS["address"]]
    if len(addresses) == 1 and len(found) == 1 and column_is_alone(addresses[0]):
        addresses[0].decide("?", "")
        return
    if len(addresses) == 2 and len(found) == 2:
        return
    others = [column for column in found if column not in addresses] or found
    for column in found:
        if column is not others[0]:
            column.decide("words" if not column.grid.is_numeric(column.number) else "?", "another column names devices")
    if len(others) > 2 and others[0].grid.is_numeric(others[0].number):
        others[0].decide("?", "")


def column_is_alone(column: Column) -> bool:
    """Return True if a name such as x or y alone is too little to take a column for an address."""
    return column.words <= {"x", "y", "row", "column", "col"} and column.grid.width <= 2


def _decide_differences(columns: Sequence[Column]) -> None:
    """Mark columns that repeat another column: its differences from row to row, or its values a row later."""
    readings = [c for c in of_role(columns, "reading", "up", "down", "?", "before") if len(c.finite) > 3]
    for column in readings:
        for other in readings:
            if other is column or column.role not in ("reading", "up", "down", "?") or np.ptp(other.finite) == 0:
                continue
            if _follows(column.values[1:], np.diff(other.values)):
                column.decide("difference", f"differences of column {other.label}")


def _decide_leakage(columns: Sequence[Column]) -> None:
    """Mark the current of a gate as leakage where another current is read."""
    currents = [column for column in of_role(columns, "reading") if column.kind == "A"]
    gates = [column for column in currents if column.words & {"gate", "bulk", "substrate"}]
    for column in gates if len(gates) < len(currents) else []:
        column.decide("leakage", f"its name ({column.name})")


def _follows(values: Floats, expected: Floats) -> bool:
    """Return True if values equal the expected values up to rounding."""
    known = np.isfinite(values) & np.isfinite(expected)
    if known.sum() < 3 or known.sum() < 0.5 * len(values):
        return False
    own, like = values[known], expected[known]
    residual = np.median(np.abs(own - like))
    return bool(residual <= 0.02 * np.median(np.abs(own)) and residual <= 0.02 * np.median(np.abs(like)) and like.any())


def _decide_unknown(columns: Sequence[Column]) -> None:
    """Give columns that only have numbers a role: a count, an axis, else readings."""
    unknown = of_role(columns, "?")
    known = any(column.role in READINGS for column in columns)
    free = 0 if known else 1
    if not of_role(columns, "number", "sent", "sent_up") and len(unknown) > free:
        counting = next((column for column in unknown if counts_up(column.finite)), None)
        if counting is not None:
            counting.decide("number", "it counts up")
            unknown.remove(counting)
    for column in list(unknown):
        constant = np.ptp(column.finite) == 0
        if constant and (known or not column.name) and len(unknown) > free:
            column.decide("constant", "one number")
            unknown.remove(column)
    axes = [column for column in unknown if is_axis(column.finite)]
    first = min((column.number for column in columns if column.role in (*READINGS, "?")), default=0)
    if len(axes) == 1 and len(unknown) > free and not axes[0].name and axes[0].number == first:
        axes[0].decide("time", "evenly spaced")
        unknown.remove(axes[0])
    for column in unknown:
        if known and column.name:
            column.decide("other quantity", "other columns are readings by unit or name")
        else:
            column.decide("reading", "numbers that change" if not known else "as the columns beside it")


def _one_kind(columns: Sequence[Column]) -> None:
    """Keep the conductances where columns hold several quantities, else the quantity from which they follow best."""
    readings = of_role(columns, *READINGS)
    read_at = bool(of_role(columns, "read_voltage", "voltage"))
    order = ("S", "A", "ohm", "") if read_at else ("S", "ohm", "A", "")
    best = next((kind for kind in order if any(c.kind == kind for c in readings)), "")
    for column in readings:
        if column.kind != best and column.kind in KINDS:
            column.decide(KINDS[column.kind], f"{KINDS.get(best, 'another quantity')} is read beside it")
    readings = of_role(columns, *READINGS)
    statistics = [c for c in readings if c.words & WORDS["statistic"]]
    means = [c for c in readings if c.words & WORDS["mean"]]
    if 0 < len(statistics) < len(readings) and means:
        for column in statistics:
            column.decide("statistic", "the mean is read beside it")
    elif len(means) == 1 and len(readings) > 2:
        means[0].decide("mean", "the columns beside it are read")
    readings = of_role(columns, *READINGS)
    normalised = [c for c in readings if c.words & WORDS["normalised"]]
    for column in normalised if len(normalised) < len(readings) else []:
        column.decide("normalised", f"its name ({column.name})")


def _pairs(columns: Sequence[Column], form: Format, notes: Notes) -> None:
    """Columns that rise and fall by turns, without names that say so, are up and down; so are P and D."""
    readings = of_role(columns, "reading")
    if [column.words for column in readings] == [{"p"}, {"d"}]:
        readings[0].decide("up", "its name beside D")
        readings[1].decide("down", "its name beside P")
    if of_role(columns, "up", "down", "direction", "voltage") or form.direction or form.turns is not None:
        return
    if len(readings) < 2 or len(readings) % 2 or (form.devices is not None and len(form.devices) == len(readings)):
        return
    if any(column.words & WORDS["device"] for column in readings) or min(len(c.finite) for c in readings) < 3:
        return
    ramps = [find_ramps(column.finite) for column in readings]
    ways = [ramp.first for ramp in ramps]
    if len(set(ways)) == 1 and all(ramp.clear and not ramp.turns for ramp in ramps) and len(readings) == 2:
        verb, label = "rise" if ways[0] > 0 else "fall", readings[1].label
        notes.add(
            f"both columns {verb}, so they are read as two devices; if column {label} is a branch of depression that "
            "is "
            f"mirrored give {option('columns', '...,up,down')} and {option('reverse', str(readings[1].number + 1))}"
        )
    if any(ramp.turns or not ramp.clear for ramp in ramps) or any(
        a == b for a, b in zip(ways[::2], ways[1::2], strict=True)
    ):
        return
    verbs = ["rises" if way > 0 else "falls" for way in ways]
    if readings[0].kind == "ohm":
        ways = [-way for way in ways]
    for column, way, verb in zip(readings, ways, verbs, strict=True):
        column.decide("up" if way > 0 else "down", f"it {verb}")
    notes.add(
        f"read as columns up and down, because column {readings[0].label} {verbs[0]} and column {readings[1].label} "
        f"{verbs[1]} (for devices of one ramp each give {option('columns', 'reading,reading')})"
    )


def _no_readings(grid: Grid, columns: Sequence[Column]) -> None:
    faults, read = FileFaults(grid.file), list[str]()
    for column in columns:
        example = next((cell for cell in grid.cells(column.number) if cell), "")
        read.append(f"column {column.label} as {column.role} ({example!r} ...)")
    faults.add(
        f"read as {', '.join(read).partition(' as ')[2]}, and no column is one of readings; give "
        f"{option('columns', 'number,reading')}, or what your columns are",
        grid.lines[0],
        columns[0].label,
    )
    faults.raise_any()
