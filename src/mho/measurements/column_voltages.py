"""Columns of voltages: those of pulses, and those of reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.measurements.column import Column, of_role
from mho.measurements.formats import READINGS
from mho.measurements.record import Floats
from mho.measurements.vocabulary import (
    WORDS,
    says_read,
)


def decide_voltages(columns: Sequence[Column]) -> None:
    """Tell voltages of pulses from those of reads, and keep one of each."""
    for column in of_role(columns, "voltage"):
        currents = [c for c in of_role(columns, "reading", "up", "down") if c.kind == "A"]
        signed = not of_role(columns, "direction")
        if any(_is_read_at(column, current, signed=signed) for current in currents) and not of_role(
            columns, "read_voltage"
        ):
            column.decide("read_voltage", "currents are even only when divided by it")
    pulses = of_role(columns, "voltage")
    pulses.sort(key=lambda c: (not c.words & WORDS["pulse"], not _both_signs(c), c.number))
    for column in pulses[1:]:
        column.decide("second voltage", f"column {pulses[0].label} is the voltage of pulses")
    for column in pulses[:1]:
        if np.ptp(column.finite) <= 0.02 * np.max(np.abs(column.finite)):
            column.decide("constant", "one voltage")
    for column in of_role(columns, "read_voltage")[1:]:
        column.decide("second voltage", "another column is the voltage of the read")


def decide_direction_voltages(columns: Sequence[Column]) -> None:
    """Take a voltage beside a column of directions as the voltage of reads, or leave it out."""
    directions = of_role(columns, "direction", "up", "down")
    for column in of_role(columns, "voltage") if directions else []:
        in_rows = directions[0].role == "direction" and any(
            map(says_read, directions[0].grid.cells(directions[0].number))
        )
        currents = any(c.kind == "A" for c in of_role(columns, *READINGS))
        if in_rows and currents and not of_role(columns, "read_voltage"):
            column.decide("read_voltage", f"the voltage of each row; column {directions[0].label} tells reads")
        else:
            column.decide("second voltage", f"column {directions[0].label} says directions")


def _both_signs(column: Column) -> bool:
    return bool(np.min(column.finite) < 0 < np.max(column.finite))


def _is_read_at(voltage: Column, current: Column, *, signed: bool) -> bool:
    """Return True if currents that jump with a voltage are smooth when they are divided by it.

    Args:
        voltage: the column.
        current: the column of readings.
        signed: whether the sign of a voltage would tell the direction of pulses.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = current.values / voltage.values
    if (signed and _both_signs(voltage)) or np.ptp(voltage.finite) <= 0.02 * np.max(np.abs(voltage.finite)):
        return False
    return _roughness(ratio) < 0.2 * _roughness(current.values)


def _roughness(values: Floats) -> float:
    found = values[np.isfinite(values)]
    if len(found) < 4 or np.ptp(found) == 0:
        return 1.0
    return float(np.mean(np.abs(np.diff(found, 2))) / np.ptp(found))
