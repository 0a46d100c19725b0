"""What each column of a table is, by its name and by what stands in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.measurements.formats import READINGS, Format
from mho.measurements.grid import Grid
from mho.measurements.ramps import find_ramps
from mho.measurements.record import Floats
from mho.measurements.text import FileFaults
from mho.measurements.units import is_unit, kind_of, split_unit
from mho.measurements.vocabulary import DOWN_PULSES, NO_PULSES, UP_PULSES, WORDS, direction_of, sentence, words

KINDS = {"S": "conductance", "A": "current", "ohm": "resistance"}
MOST_DEVICES = 0.5
"""A column names devices if at most this share of its cells are different."""


def find_roles(grid: Grid, form: Format) -> tuple[tuple[str, ...], list[str]]:
    """The role of every column, as given or found, and notes.

    Raises:
        InvalidValue: when the given columns are not those of the file.
    """
    if form.roles is not None:
        if len(form.roles) != grid.width:
            faults = FileFaults(grid.file)
            faults.add(
                f"the table has {grid.width} columns, and columns names {len(form.roles)} ({','.join(form.roles)}); "
                "give one for each, skip for those that do not count",
                grid.lines[0],
                str(min(len(form.roles), grid.width)),
            )
            faults.raise_any()
        return form.roles, []
    roles = [_by_name(grid, column) for column in range(grid.width)]
    _settle_devices(grid, roles)
    _settle_unknown(grid, roles)
    notes = _one_kind(grid, roles)
    notes += _pairs(grid, roles, form)
    _settle_doubles(grid, roles)
    if "direction" in roles:
        roles = ["skip" if role == "voltage" else role for role in roles]
    if not set(roles) & set(READINGS):
        _no_readings(grid, roles)
    left_out = [grid.label(column) for column, role in enumerate(roles) if role == "skip" and not grid.is_empty(column)]
    if left_out:
        notes.append(f"left out: column {', '.join(left_out)}")
    if grid.width > 1:
        kept = ",".join(roles)
        notes.append(f'columns read as "{kept}" (columns="..." changes it)' if len(kept) < 200 else "")
    return tuple(roles), [note for note in notes if note]


def _values(grid: Grid, column: int) -> Floats:
    """The numbers of a column, without gaps and faults."""
    found = grid.numbers(column, FileFaults(grid.file))
    return found[np.isfinite(found)]


def _by_name(grid: Grid, column: int) -> str:
    """The role that a column's name and cells give it; "?" for numbers of an unknown kind."""
    name = grid.names[column]
    if grid.is_empty(column):
        return "skip"
    found = set(words(name))
    if not grid.is_numeric(column):
        return _of_words(grid.cells(column), found)
    kind = kind_of(unit_of(grid, column))
    values = _values(grid, column)
    if kind == "s" or (found & WORDS["time"] and kind == ""):
        return "skip"
    if kind == "V" or (found & WORDS["voltage"] and kind == ""):
        return "voltage" if np.min(values) < 0 < np.max(values) else "skip"
    if kind in KINDS:
        return {1: "up", -1: "down"}.get(direction_of(name), "reading")
    signs = set(np.unique(values[:10_000]).tolist())
    if signs <= {-1.0, 0.0, 1.0} and (
        signs >= {-1.0, 1.0} or (len(signs) > 1 and found & WORDS["direction"] and not found & WORDS["reading"])
    ):
        return "direction"
    if found & WORDS["device"] and _repeats(values.tolist()):
        return "device"
    if found & WORDS["number"] and not found & WORDS["reading"] and _is_whole(values):
        return "number"
    if direction_of(name):
        return "up" if direction_of(name) > 0 else "down"
    return "reading" if found & WORDS["reading"] else "?"


def _of_words(cells: Sequence[str], found: set[str]) -> str:
    """The role of a column of words."""
    known = [cell.lower() in UP_PULSES | DOWN_PULSES | NO_PULSES or sentence(cell) != 0 for cell in cells if cell]
    if known and sum(known) > 0.8 * len(known):
        return "direction"
    full = [cell for cell in cells if cell]
    if all(map(is_unit, full)):
        return "skip"
    return "device" if found & WORDS["device"] or _repeats(full) else "skip"


def _repeats(cells: Sequence[object]) -> bool:
    return len(set(cells)) <= max(MOST_DEVICES * len(cells), 1)


def _is_whole(values: Floats) -> bool:
    return len(values) > 0 and bool(np.all(values == np.round(values)) and np.min(values) >= 0)


def _counts(values: Floats) -> bool:
    """Whether numbers without a name count pulses: whole, ascending in even steps or from 0 or 1, or starting anew."""
    if not _is_whole(values) or len(values) < 3:
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


def _settle_devices(grid: Grid, roles: list[str]) -> None:
    """One column at most says which device a row is of."""
    found = [column for column, role in enumerate(roles) if role == "device"]
    for column in found[1:]:
        roles[column] = "skip" if not grid.is_numeric(column) or len(found) == 2 else "?"
    if len(found) > 2 and grid.is_numeric(found[0]):
        roles[found[0]] = "?"


def _settle_doubles(grid: Grid, roles: list[str]) -> None:
    """Of columns that count, such as cycles and pulses, keep the one that changes most; of directions the first."""
    for role in ("number", "direction"):
        found = [column for column, known in enumerate(roles) if known == role]
        if role == "number":
            found.sort(key=lambda column: -np.count_nonzero(np.diff(_values(grid, column))))
        for column in found[1:]:
            roles[column] = "skip"


def _settle_unknown(grid: Grid, roles: list[str]) -> None:
    """Give columns that only have numbers a role: a count, an axis, else readings."""
    unknown = [column for column, role in enumerate(roles) if role == "?"]
    known = bool(set(roles) & set(READINGS))
    values = {column: _values(grid, column) for column in unknown}
    free = 0 if known else 1
    if "number" not in roles and len(unknown) > free:
        counting = next((column for column in unknown if _counts(values[column])), None)
        if counting is not None:
            roles[counting] = "number"
            unknown.remove(counting)
    for column in list(unknown):
        if not grid.names[column] and len(unknown) > free and np.ptp(values[column]) == 0:
            roles[column] = "skip"
            unknown.remove(column)
    axes = [column for column in unknown if _is_axis(values[column])]
    if len(axes) == 1 and len(unknown) > free and not grid.names[axes[0]] and axes[0] == 0:
        roles[axes[0]] = "skip"
        unknown.remove(axes[0])
    for column in unknown:
        roles[column] = "skip" if known and grid.names[column] else "reading"


def unit_of(grid: Grid, column: int) -> str:
    """The unit of a column, by its heading, or by the one word that stands in the next column."""
    told = grid.units[column].strip("()[] ") or split_unit(grid.names[column])[1]
    beside = {cell for cell in grid.cells(column + 1) if cell} if column + 1 < grid.width else set()
    return beside.pop() if not told and len(beside) == 1 and all(map(is_unit, beside)) else told


def _one_kind(grid: Grid, roles: list[str]) -> list[str]:
    """Where columns hold conductances and currents, keep the conductances."""
    kinds = {column: kind_of(unit_of(grid, column)) for column, role in enumerate(roles) if role in READINGS}
    best = next((kind for kind in (*KINDS, "") if kind in kinds.values()), "")
    others = [column for column, kind in kinds.items() if kind != best and kind in KINDS]
    for column in others:
        roles[column] = "skip"
    return [f"{KINDS[best]} is read where other quantities stand beside it"] if others else []


def _pairs(grid: Grid, roles: list[str], form: Format) -> list[str]:
    """Columns that rise and fall by turns, without names that say so, are up and down."""
    columns = [column for column, role in enumerate(roles) if role == "reading"]
    told = {"up", "down", "direction", "voltage"} & set(roles) or form.direction or form.turns is not None
    if told or len(columns) < 2 or len(columns) % 2 or (form.devices is not None and len(form.devices) == len(columns)):
        return []
    if any(set(words(grid.names[column])) & WORDS["device"] for column in columns):
        return []
    found = [_values(grid, column) for column in columns]
    if min(map(len, found)) < 3:
        return []
    ramps = [find_ramps(values) for values in found]
    ways = [ramp.first for ramp in ramps]
    if any(ramp.turns or not ramp.clear for ramp in ramps) or any(
        a == b for a, b in zip(ways[::2], ways[1::2], strict=True)
    ):
        return []
    for column, way in zip(columns, ways, strict=True):
        roles[column] = "up" if way > 0 else "down"
    first = [grid.label(column) for column in columns[:2]]
    verbs = ["rises" if way > 0 else "falls" for way in ways[:2]]
    return [
        f"read as columns up and down, because column {first[0]} {verbs[0]} and column {first[1]} {verbs[1]} "
        '(for devices of one ramp each give columns="reading,reading")'
    ]


def _no_readings(grid: Grid, roles: Sequence[str]) -> None:
    faults = FileFaults(grid.file)
    for column, role in enumerate(roles):
        example = next((cell for cell in grid.cells(column) if cell), "")
        faults.add(
            f"read as {role} ({example!r} ...), and no column is one of readings; give columns, for example "
            '"number,reading"',
            grid.lines[0],
            grid.label(column),
        )
    faults.raise_any()
