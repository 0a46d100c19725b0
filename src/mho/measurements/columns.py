"""What each column of a table is, by its name, by its unit and by what stands in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.measurements.cells import is_gap, is_stamp
from mho.measurements.column import KINDS, TAKEN_AS, Column, of_role
from mho.measurements.formats import READINGS, Format
from mho.measurements.grid import Grid
from mho.measurements.ramps import find_ramps
from mho.measurements.record import Floats, Notes
from mho.measurements.tables import refuse_other_tables
from mho.measurements.text import FileFaults
from mho.measurements.units import is_unit, kind_of
from mho.measurements.vocabulary import (
    DOWN_PULSES,
    NO_PULSES,
    READ,
    UP_PULSES,
    WORDS,
    direction_of,
    fold,
    says_pulse,
    says_read,
    sentence,
)

MOST_DEVICES = 0.5
"""A column names devices if at most this share of its cells are different."""
MOST_READS = 10
"""So many rows with one count of pulses are reads of one state; more are a cycle."""


def find_roles(grid: Grid, form: Format, notes: Notes) -> list[Column]:
    """The columns of a table with their roles, as given or found out.

    Raises:
        InvalidValue: when the given columns are not those of the file, or the table is not one of pulses.
    """
    columns = [Column(grid, number) for number in range(grid.width)]
    if form.roles is not None:
        _given(grid, columns, form.roles)
    else:
        for column in columns:
            column.settle(*_by_name(column))
        _settle_devices(columns)
        _settle_directions(columns)
        _settle_differences(columns)
        _settle_leakage(columns)
        _settle_counts(columns)
        _settle_unknown(columns)
        _settle_voltages(columns)
        refuse_other_tables(grid, columns)
        _settle_told_twice(columns)
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
            f"the table has {grid.width} columns, and columns names {len(roles)} ({','.join(roles)}); give one for "
            "each, skip for those that do not count",
            grid.lines[0],
            str(min(len(roles), grid.width)),
        )
        faults.raise_any()
    for column, role in zip(columns, roles, strict=True):
        column.settle(role, "given")


def _note_roles(columns: Sequence[Column], notes: Notes) -> None:
    left = [c.label for c in columns if c.role not in TAKEN_AS and not c.grid.is_empty(c.number)]
    left += [c.label for c in columns if c.role == "skip" and not c.grid.is_empty(c.number)]
    if left:
        notes.add(f"left out: column {', '.join(left)}")
    if len(columns) > 1:
        kept = ",".join(c.role if c.role in TAKEN_AS else "skip" for c in columns)
        if len(kept) < 200:
            notes.add(f'columns read as "{kept}" (columns="..." changes it)')


def _by_name(column: Column) -> tuple[str, str]:
    """The role that a column's name, unit and cells give it, and why; "?" for numbers of an unknown kind."""
    if column.grid.is_empty(column.number):
        return "skip", "empty"
    found, kind = column.words, column.kind
    if not column.grid.is_numeric(column.number):
        return _of_words(column)
    if len(column.finite) == 0:  # beyond the range of instruments
        return "skip", "no number in range"
    name, unit = f"its name ({column.name})", f"its unit is {column.unit}"
    if kind == "s" or (found & WORDS["time"] and kind == "") or (found == {"x", "value"}):
        return "time", unit if kind == "s" else name
    if kind == "K" or (found & WORDS["temperature"] and not found & WORDS["reading"]):
        return "temperature", unit if kind == "K" else name
    if kind == "?":
        return "other quantity", unit
    if kind == "V":
        return ("read_voltage" if found & READ else "voltage"), unit if kind_of(column.unit) else name
    by_unit = kind_of(column.unit) in KINDS
    if by_unit or found & WORDS["reading"]:
        for role in ("deviation", "leakage", "before", "target"):
            if found & WORDS[role] and (role != "leakage" or kind == "A"):
                return role, name
        if found & WORDS["difference"] or {"per", "pulse"} <= found:
            return "difference", name
    elif found & WORDS["deviation"] - {"var", "err"}:
        return "deviation", name
    elif found & WORDS["difference"] and not column.is_whole:
        return "difference", name
    if by_unit:
        way = direction_of(column.name)
        return {1: "up", -1: "down"}.get(way, "reading"), name if way else unit
    return _without_unit(column, name)


def _without_unit(column: Column, name: str) -> tuple[str, str]:
    """The role of a column of numbers whose unit is not one of pulses."""
    found, values = column.words, column.finite
    signs = set(np.unique(values[:10_000]).tolist())
    if signs <= {-1.0, 0.0, 1.0} and (
        signs >= {-1.0, 1.0} or (len(signs) > 1 and found & WORDS["direction"] and not found & WORDS["reading"])
    ):
        return "direction", "it holds only signs"
    if found & (WORDS["device"] | WORDS["address"]) and _repeats(values.tolist()):
        return "device", name
    whole = bool(np.all(values == np.round(values)))
    if found & WORDS["sent"] and whole:
        return "sent", name
    if found & (WORDS["number"] | WORDS["cycle"]) and not found & WORDS["reading"] and whole:
        return "number", name
    if direction_of(column.name):
        return ("up" if direction_of(column.name) > 0 else "down"), name
    return ("reading", name) if found & WORDS["reading"] else ("?", "")


def _of_words(column: Column) -> tuple[str, str]:
    """The role of a column of words."""
    full = [cell for cell in column.grid.cells(column.number) if not is_gap(cell) or cell in ("-", "none")]
    if full and sum(map(is_stamp, full)) > 0.8 * len(full):
        return "time", "dates and times"
    known = [_is_direction(cell) for cell in full]
    if known and sum(known) > 0.8 * len(known) and not all(says_read(cell) and not sentence(cell) for cell in full):
        return "direction", "words of directions"
    reads = {cell: says_read(cell) for cell in set(full)}
    if (
        any(reads.values())
        and all(read or says_pulse(cell) for cell, read in reads.items())
        and not all(reads.values())
    ):
        return "phase", "words that tell pulses from reads"
    if all(map(is_unit, full)):
        return "unit", "words of units"
    if len(set(full)) == 1 and not column.words & WORDS["device"]:
        return "constant", "one word"
    if not _repeats(full):
        return "words", "words that name no direction"
    return "device", f"its name ({column.name})" if column.words & WORDS["device"] else "names that repeat"


def _is_direction(cell: str) -> bool:
    return fold(cell) in UP_PULSES | DOWN_PULSES | NO_PULSES or sentence(cell) != 0 or says_read(cell)


def _repeats(cells: Sequence[object]) -> bool:
    return len(set(cells)) <= max(MOST_DEVICES * len(cells), 1)


def _counts(values: Floats) -> bool:
    """Whether numbers without a name count pulses: whole, ascending in even steps or from 0 or 1, or starting anew."""
    if len(values) < 3 or np.any(values != np.round(values)) or np.min(values) < 0:
        return False
    steps = np.diff(values)
    ascending = steps[steps > 0]
    if len(ascending) < 0.6 * len(steps) or len(ascending) == 0:
        return False
    usual = np.median(ascending)
    return bool(np.mean(ascending == usual) >= 0.8 or values[0] <= 1)


def _is_axis(values: Floats) -> bool:
    """Whether numbers are evenly spaced, as times are."""
    steps = np.diff(values)
    return len(steps) > 2 and bool(np.all(steps > 0) and np.ptp(steps) <= 0.01 * np.mean(steps))


def _settle_devices(columns: Sequence[Column]) -> None:
    """One column says which device a row is of; or two, its row and column in an array."""
    found = of_role(columns, "device")
    addresses = [column for column in found if column.words & WORDS["address"]]
    if len(addresses) == 1 and len(found) == 1 and column_is_alone(addresses[0]):
        addresses[0].settle("?", "")
        return
    if len(addresses) == 2 and len(found) == 2:
        return
    others = [column for column in found if column not in addresses] or found
    for column in found:
        if column is not others[0]:
            column.settle("words" if not column.grid.is_numeric(column.number) else "?", "another column names devices")
    if len(others) > 2 and others[0].grid.is_numeric(others[0].number):
        others[0].settle("?", "")


def column_is_alone(column: Column) -> bool:
    """Whether a name such as x or y alone is too little to take a column for an address."""
    return column.words <= {"x", "y", "row", "column", "col"} and column.grid.width <= 2


def _settle_directions(columns: Sequence[Column]) -> None:
    """Of columns that say directions keep the first, or the first that also names reads."""
    found = of_role(columns, "direction")
    found.sort(key=lambda column: not any(map(says_read, column.grid.cells(column.number)[:1000])))
    for column in found[1:]:
        column.settle("second direction", f"column {found[0].label} says directions")


def _settle_differences(columns: Sequence[Column]) -> None:
    """Columns that only repeat another one: its differences from row to row, or itself a row later."""
    readings = [c for c in of_role(columns, "reading", "up", "down", "?", "before") if len(c.finite) > 3]
    for column in readings:
        for other in readings:
            if other is column or column.role not in ("reading", "up", "down", "?") or np.ptp(other.finite) == 0:
                continue
            if _follows(column.values[1:], np.diff(other.values)):
                column.settle("difference", f"differences of column {other.label}")


def _settle_leakage(columns: Sequence[Column]) -> None:
    """The current of a gate is leakage where another current is read."""
    currents = [column for column in of_role(columns, "reading") if column.kind == "A"]
    gates = [column for column in currents if column.words & {"gate", "bulk", "substrate"}]
    for column in gates if len(gates) < len(currents) else []:
        column.settle("leakage", f"its name ({column.name})")


def _follows(values: Floats, expected: Floats) -> bool:
    """Whether values are those expected but for rounding."""
    known = np.isfinite(values) & np.isfinite(expected)
    if known.sum() < 3 or known.sum() < 0.5 * len(values):
        return False
    own, like = values[known], expected[known]
    residual = np.median(np.abs(own - like))
    return bool(residual <= 0.02 * np.median(np.abs(own)) and residual <= 0.02 * np.median(np.abs(like)) and like.any())


def _settle_counts(columns: Sequence[Column]) -> None:
    """Tell pulses so far, pulses sent before a reading, and cycles from each other."""
    ways = {direction_of(c.name): c for c in of_role(columns, "number", "sent") if direction_of(c.name)}
    if len(ways) == 2 and any(np.any(np.diff(column.finite) < 0) for column in ways.values()):
        ways[1].settle("sent_up", f"its name ({ways[1].name})")
        ways[-1].settle("sent_down", f"its name ({ways[-1].name})")
    found = of_role(columns, "number")
    for column in list(found):
        if _is_sent(column, alone=len(found) == 1):
            column.settle("sent", "whole numbers that do not count on")
            found.remove(column)
        elif np.any(column.finite < 0):
            column.settle("?", "")
            found.remove(column)
    sent = of_role(columns, "sent_up") or of_role(columns, "sent")
    for column in [*sent[1:], *(found if sent else [])]:
        column.settle(
            "cycle" if column.words & WORDS["cycle"] else "second count", "another column counts the pulses sent"
        )
    if sent or not found:
        return
    found.sort(key=lambda column: -np.count_nonzero(np.diff(column.finite)))
    for column in found[1:]:
        column.settle(
            "cycle" if column.words & WORDS["cycle"] else "second count", f"column {found[0].label} counts the pulses"
        )
    best = found[0]
    steps = np.diff(best.finite)
    runs = len(steps) / max(int(np.count_nonzero(steps)), 1)
    if len(steps) > 2 and (runs > MOST_READS or (runs > 1.5 and best.words & WORDS["cycle"])):
        best.settle("cycle", "it stays the same for many rows")


def _is_sent(column: Column, *, alone: bool) -> bool:
    """Whether whole numbers are pulses sent since the reading before: they rise and fall by turns, or never change."""
    values = column.finite
    if column.words & WORDS["cycle"] and not column.words & WORDS["pulse"]:
        return False
    if np.any(values < 0):
        return bool(np.any(values > 0))
    steps = np.diff(values)
    if len(steps) > 2 and not steps.any():
        return alone and values[0] > 0 and bool(column.words & (WORDS["pulse"] | WORDS["sent"]))
    turns = np.count_nonzero(steps[1:] * steps[:-1] < 0)
    restarts = np.count_nonzero(np.isin(values[1:][steps < 0], (0, 1))) > 0.5 * np.count_nonzero(steps < 0)
    return len(steps) > 4 and bool(turns > 0.3 * len(steps)) and not restarts


def _settle_unknown(columns: Sequence[Column]) -> None:
    """Give columns that only have numbers a role: a count, an axis, else readings."""
    unknown = of_role(columns, "?")
    known = any(column.role in READINGS for column in columns)
    free = 0 if known else 1
    if not of_role(columns, "number", "sent", "sent_up") and len(unknown) > free:
        counting = next((column for column in unknown if _counts(column.finite)), None)
        if counting is not None:
            counting.settle("number", "it counts up")
            unknown.remove(counting)
    for column in list(unknown):
        constant = np.ptp(column.finite) == 0
        if constant and (known or not column.name) and len(unknown) > free:
            column.settle("constant", "one number")
            unknown.remove(column)
    axes = [column for column in unknown if _is_axis(column.finite)]
    first = min((column.number for column in columns if column.role in (*READINGS, "?")), default=0)
    if len(axes) == 1 and len(unknown) > free and not axes[0].name and axes[0].number == first:
        axes[0].settle("time", "evenly spaced")
        unknown.remove(axes[0])
    for column in unknown:
        if known and column.name:
            column.settle("other quantity", "other columns are readings by unit or name")
        else:
            column.settle("reading", "numbers that change" if not known else "as the columns beside it")


def _settle_voltages(columns: Sequence[Column]) -> None:
    """Tell voltages of pulses from those of reads, and keep one of each."""
    for column in of_role(columns, "voltage"):
        currents = [c for c in of_role(columns, "reading", "up", "down") if c.kind == "A"]
        signed = not of_role(columns, "direction")
        if any(_is_read_at(column, current, signed=signed) for current in currents) and not of_role(
            columns, "read_voltage"
        ):
            column.settle("read_voltage", "currents are even only when divided by it")
    pulses = of_role(columns, "voltage")
    pulses.sort(key=lambda c: (not c.words & WORDS["pulse"], not _both_signs(c), c.number))
    for column in pulses[1:]:
        column.settle("second voltage", f"column {pulses[0].label} is the voltage of pulses")
    for column in pulses[:1]:
        if np.ptp(column.finite) <= 0.02 * np.max(np.abs(column.finite)):
            column.settle("constant", "one voltage")
    for column in of_role(columns, "read_voltage")[1:]:
        column.settle("second voltage", "another column is the voltage of the read")


def _settle_told_twice(columns: Sequence[Column]) -> None:
    """A voltage beside a column of directions is that of the reads, where these are rows of their own, or left out."""
    directions = of_role(columns, "direction", "up", "down")
    for column in of_role(columns, "voltage") if directions else []:
        in_rows = directions[0].role == "direction" and any(
            map(says_read, directions[0].grid.cells(directions[0].number))
        )
        currents = any(c.kind == "A" for c in of_role(columns, *READINGS))
        if in_rows and currents and not of_role(columns, "read_voltage"):
            column.settle("read_voltage", f"the voltage of each row; column {directions[0].label} tells reads")
        else:
            column.settle("second voltage", f"column {directions[0].label} says directions")


def _both_signs(column: Column) -> bool:
    return bool(np.min(column.finite) < 0 < np.max(column.finite))


def _is_read_at(voltage: Column, current: Column, *, signed: bool) -> bool:
    """Whether currents that jump with a voltage are smooth when they are divided by it.

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


def _one_kind(columns: Sequence[Column]) -> None:
    """Where columns hold several quantities keep the conductances, else what tells conductances best."""
    readings = of_role(columns, *READINGS)
    read_at = bool(of_role(columns, "read_voltage", "voltage"))
    order = ("S", "A", "ohm", "") if read_at else ("S", "ohm", "A", "")
    best = next((kind for kind in order if any(c.kind == kind for c in readings)), "")
    for column in readings:
        if column.kind != best and column.kind in KINDS:
            column.settle(KINDS[column.kind], f"{KINDS.get(best, 'another quantity')} is read beside it")
    readings = of_role(columns, *READINGS)
    statistics = [c for c in readings if c.words & WORDS["statistic"]]
    means = [c for c in readings if c.words & WORDS["mean"]]
    if 0 < len(statistics) < len(readings) and means:
        for column in statistics:
            column.settle("statistic", "the mean is read beside it")
    elif len(means) == 1 and len(readings) > 2:
        means[0].settle("mean", "the columns beside it are read")
    readings = of_role(columns, *READINGS)
    normalised = [c for c in readings if c.words & WORDS["normalised"]]
    for column in normalised if len(normalised) < len(readings) else []:
        column.settle("normalised", f"its name ({column.name})")


def _pairs(columns: Sequence[Column], form: Format, notes: Notes) -> None:
    """Columns that rise and fall by turns, without names that say so, are up and down; so are P and D."""
    readings = of_role(columns, "reading")
    if [column.words for column in readings] == [{"p"}, {"d"}]:
        readings[0].settle("up", "its name beside D")
        readings[1].settle("down", "its name beside P")
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
            f'mirrored give columns="...,up,down" and reverse="{readings[1].number + 1}"'
        )
    if any(ramp.turns or not ramp.clear for ramp in ramps) or any(
        a == b for a, b in zip(ways[::2], ways[1::2], strict=True)
    ):
        return
    verbs = ["rises" if way > 0 else "falls" for way in ways]
    if readings[0].kind == "ohm":
        ways = [-way for way in ways]
    for column, way, verb in zip(readings, ways, verbs, strict=True):
        column.settle("up" if way > 0 else "down", f"it {verb}")
    notes.add(
        f"read as columns up and down, because column {readings[0].label} {verbs[0]} and column {readings[1].label} "
        f'{verbs[1]} (for devices of one ramp each give columns="reading,reading")'
    )


def _no_readings(grid: Grid, columns: Sequence[Column]) -> None:
    faults = FileFaults(grid.file)
    for column in columns:
        example = next((cell for cell in grid.cells(column.number) if cell), "")
        faults.add(
            f"read as {column.role} ({example!r} ...), and no column is one of readings; give columns, for example "
            '"number,reading"',
            grid.lines[0],
            column.label,
        )
    faults.raise_any()
