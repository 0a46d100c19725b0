"""Role of a column by its own name, unit and cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.measurements.cells import is_gap, is_stamp
from mho.measurements.column import KINDS, Column
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


def role_by_name(column: Column) -> tuple[str, str]:
    """Return the role that a column's name, unit and cells give it, and why; "?" for numbers of an unknown kind."""
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
    """Return the role of a column of numbers whose unit is not one of pulses."""
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
    """Return the role of a column of words."""
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
        return "phase", "words that distinguish pulses from reads"
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
