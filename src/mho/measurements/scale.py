"""Readings as conductances: currents by read voltage, resistances inverted, negative columns by their size."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.measurements.column import Column, of_role
from mho.measurements.formats import READINGS, Format
from mho.measurements.record import Floats, Notes
from mho.measurements.text import FileFaults
from mho.measurements.units import inverse_ohms, is_unit, kind_of, per_volt, power
from mho.spoken import option

ARBITRARY = "a.u."
OPPOSITE = 0.95
"""Currents of which so many are negative are those of a negative read voltage."""
NO_VOLTS = 0.02
"""Below this share of the largest voltage nothing was read."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Scaled:
    """Readings in one unit: (N,) by the number of their column."""

    unit: str
    values: dict[int, Floats]


def scaled(
    columns: Sequence[Column], form: Format, reads: Sequence[bool] | None, faults: FileFaults, notes: Notes
) -> Scaled:
    """Return the readings of a grid as conductances where the file says how, else as they stand.

    Args:
        columns: columns of the table.
        form: what the user gives.
        reads: (N,) the rows that hold readings, if others hold what was measured during a pulse.
        faults: where cells that are no numbers are noted.
        notes: where what was done is noted.
    """
    readings = [*of_role(columns, *READINGS), *of_role(columns, "before")]
    unit = _one_unit(readings, faults) if form.unit is None else form.unit
    kind = kind_of(unit) if form.unit is not None else readings[0].kind
    values = {c.number: c.grid.numbers(c.number, faults) for c in readings}
    faults.raise_any()
    if kind == "A":
        unit, values = _of_currents(columns, readings, values, unit, form, reads, notes)
    elif form.read_voltage is not None:
        faults.add(
            f"{option('read_voltage')} is given, and the readings are no currents; leave it out, or give "
            f"{option('unit')}",
            None,
            readings[0].label,
        )
    elif kind == "ohm":
        inverse = inverse_ohms(unit) if unit else ARBITRARY
        notes.add(f"resistance R{f' in {unit}' if unit else ''} is read as conductance 1/R in {inverse}")
        values = {c.number: _inverse(c, values[c.number], reads, faults) for c in readings}
        unit = inverse
    elif not unit:
        notes.add(f"no unit is named ({option('unit')} gives it)")
        unit = ARBITRARY
    if kind in ("A", "S"):
        values = _upright(readings, values, reads, notes)
    return Scaled(unit or ARBITRARY, values)


def _one_unit(readings: Sequence[Column], faults: FileFaults) -> str:
    """Return the unit of all readings."""
    for column in readings:
        _check_beside(column, faults)
    named = [column for column in readings if column.unit]
    for column in named[1:]:
        if column.unit != named[0].unit:
            faults.add(
                f"it is in {column.unit}, and column {named[0].label} in {named[0].unit}; give readings in one unit, "
                "or "
                "skip a column with columns",
                column.grid.lines[0],
                column.label,
            )
    return named[0].unit if named else ""


def _check_beside(column: Column, faults: FileFaults) -> None:
    """Note rows whose unit, in the next column, is not that of the first."""
    grid, beside = column.grid, column.number + 1
    cells = grid.cells(beside) if beside < grid.width else []
    full = [(line, cell) for line, cell in zip(grid.lines, cells, strict=False) if cell]
    if full and all(is_unit(cell) and kind_of(cell) for _, cell in full):
        for line, cell in full:
            if cell != full[0][1]:
                fault = f"the reading is in {cell}, and that of line {full[0][0]} in {full[0][1]}; give all in one unit"
                faults.add(fault, line, grid.label(beside))


def _of_currents(
    columns: Sequence[Column],
    readings: Sequence[Column],
    values: dict[int, Floats],
    unit: str,
    form: Format,
    reads: Sequence[bool] | None,
    notes: Notes,
) -> tuple[str, dict[int, Floats]]:
    """I/V where the voltage of the read is known, and its unit; else the currents."""
    if form.read_voltage is not None:
        notes.add(f"current I is read as conductance I/V at {form.read_voltage:g} V")
        return _divided(values, unit, np.full(len(columns[0].values), form.read_voltage), "V")
    column = next(iter(of_role(columns, "read_voltage")), None)
    if column is None and reads is not None:
        column = next((c for c in of_role(columns, "voltage") if c.kind == "V"), None)
    if column is None:
        column = _at_the_pulse(columns, readings)
        if column is not None:
            notes.warn(
                f"column {column.label}: currents have the sign of the pulse's voltage, so they are read as "
                "conductance I/V "
                "at the pulse; a pulse that changes the device also changes this reading "
                f"({option('read_voltage')}, or {option('columns')}, changes it)"
            )
    if column is None:
        name = f"current{f' in {unit}' if unit else ''}"
        notes.add(
            f"{name} is taken as it is: it is proportional to conductance at one read voltage "
            f"({option('read_voltage')} gives it)"
        )
        return unit, values
    if column.role == "read_voltage" or reads is not None:
        notes.add(f"current I is read as conductance I/V, by the voltage in column {column.label}")
    return _divided(values, unit, column.values, column.unit or "V")


def _at_the_pulse(columns: Sequence[Column], readings: Sequence[Column]) -> Column | None:
    """Return the column of the pulse's voltage, if currents change sign with it."""
    for column in of_role(columns, "voltage"):
        for reading in readings:
            product = np.sign(column.values * reading.values)
            product = product[np.isfinite(product) & (product != 0)]
            if (
                len(product)
                and np.mean(product > 0) >= OPPOSITE
                and np.min(reading.finite) < 0 < np.max(reading.finite)
            ):
                return column
    return None


def _divided(values: dict[int, Floats], unit: str, volts: Floats, voltage: str) -> tuple[str, dict[int, Floats]]:
    """Currents by volts, and the unit of the ratio; a gap where there is no voltage."""
    largest = np.nanmax(np.abs(volts)) if np.isfinite(volts).any() else 0.0
    known = np.isfinite(volts) & (np.abs(volts) > NO_VOLTS * largest)
    by = np.where(known, volts, np.nan)
    found = {number: currents / by for number, currents in values.items()}
    if not unit:
        return ARBITRARY, found
    ratio = per_volt(unit, voltage)
    if ratio is not None:
        return ratio, found
    above, below = power(unit), power(voltage)
    if above is None or below is None:
        return f"{unit}/{voltage}", found
    return "S", {number: each * 10.0 ** (above - below) for number, each in found.items()}


def _inverse(column: Column, values: Floats, reads: Sequence[bool] | None, faults: FileFaults) -> Floats:
    """Return 1/R; where it is a reading, a resistance of 0, or of another sign than most resistances, is a fault."""
    counted = np.isfinite(values) if reads is None else np.isfinite(values) & np.array(reads)
    if np.mean(values[counted] < 0) >= OPPOSITE if counted.any() else False:
        values = -values
    for place in np.flatnonzero(counted & (values <= 0)):
        fault = f"a resistance of {values[place]:g} has no conductance; give numbers above 0, or another unit"
        faults.add(fault, column.grid.lines[place], column.label)
    return np.where(values > 0, 1.0 / np.where(values > 0, values, 1.0), np.nan)


def _upright(
    readings: Sequence[Column], values: dict[int, Floats], reads: Sequence[bool] | None, notes: Notes
) -> dict[int, Floats]:
    """Currents and conductances that are all negative, as those of reads at a negative voltage, by their size."""
    found = {}
    for column in readings:
        own = values[column.number]
        counted = np.isfinite(own) & (own != 0) if reads is None else np.isfinite(own) & (own != 0) & np.array(reads)
        negative = counted.any() and np.mean(own[counted] < 0) >= OPPOSITE
        if negative:
            notes.add(f"column {column.label} is negative, as reads at a negative voltage are, and taken by its size")
        found[column.number] = -own if negative else own
    return found
