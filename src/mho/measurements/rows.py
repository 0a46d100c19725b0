"""Actions of the rows of a table: pulse, read, or both; and rows as readings with pulses between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from mho.errors import nearest
from mho.measurements.cells import number
from mho.measurements.column import Column, of_role
from mho.measurements.formats import READINGS
from mho.measurements.grid import Grid
from mho.measurements.record import Floats, Notes
from mho.measurements.text import FileFaults, shown
from mho.measurements.vocabulary import DOWN_PULSES, NO_PULSES, READ, UP_PULSES, fold, says_read, sentence
from mho.spoken import option

Ints = npt.NDArray[np.int64]
FEW_READS = 0.3
"""Where so many rows are reads, the others hold no readings."""
SEVERAL = 4
"""So many reads tell the range of readings."""
SMALL = 0.6
"""A read has at most this share of the voltage of a pulse."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Actions:
    """Actions of N rows: pulses, reads and their directions.

    Attributes:
        signs: (N,) +1, -1 or 0, the direction of the row's pulses; None: it is in the readings.
        reads: (N,) whether the row holds a reading.
        parted: whether pulses and readings stand in rows of their own.
    """

    signs: Ints | None
    reads: npt.NDArray[np.bool_]
    parted: bool


def find_actions(grid: Grid, columns: Sequence[Column], faults: FileFaults, notes: Notes) -> Actions | None:
    """Return the actions of rows, by a column of directions or by the voltage; None without both."""
    direction = next(iter(of_role(columns, "direction")), None)
    voltage = next(iter(of_role(columns, "voltage")), None)
    phase = next(iter(of_role(columns, "phase")), None)
    if phase is not None:
        reads = np.array([says_read(cell) for cell in grid.cells(phase.number)])
        notes.add(
            f"column {phase.label}: readings are the rows of reads, {np.count_nonzero(reads)}; the others are pulses"
        )
        signs = None if voltage is None else np.where(reads, 0, np.sign(np.nan_to_num(voltage.values))).astype(np.int64)
        return Actions(signs, reads, True)
    if direction is not None:
        return _by_words(grid, direction, columns, faults, notes)
    if voltage is not None:
        return _by_voltage(grid, voltage, columns, notes)
    return None


def _by_words(grid: Grid, direction: Column, columns: Sequence[Column], faults: FileFaults, notes: Notes) -> Actions:
    signs, words = signs_of_words(grid, direction, faults)
    pure = words & (signs == 0)
    pulses = (signs != 0) & ~words
    if not pulses.any():  # "read after SET": each row is a reading after its pulse
        return Actions(signs, np.ones(len(signs), dtype=bool), False)
    signs = np.where(words, 0, signs)
    reads = words if (words & ~pure).any() else pure
    if not reads.any():
        return Actions(signs, np.ones(len(signs), dtype=bool), False)
    readings = of_role(columns, *READINGS)
    empty = all(np.mean(~np.isfinite(column.values[pulses])) > 0.5 for column in readings)
    apart = any(_smaller(column, reads, pulses) for column in columns if column.kind == "V" and len(column.finite))
    apart = apart or any(_elsewhere(column.values, reads, pulses) for column in readings)
    parted = bool(empty or apart or np.mean(reads[signs + reads != 0]) >= FEW_READS)
    if parted:
        notes.add(
            f"column {direction.label}: readings are the rows of reads, {np.count_nonzero(reads)}; the others are "
            "pulses"
        )
    return Actions(signs, reads if parted else np.ones(len(signs), dtype=bool), parted)


def _elsewhere(values: Floats, reads: npt.NDArray[np.bool_], pulses: npt.NDArray[np.bool_]) -> bool:
    """Return True if the readings in rows of pulses are far from all reads."""
    sizes = np.abs(values)
    read, pulse = sizes[reads & np.isfinite(sizes)], sizes[pulses & np.isfinite(sizes)]
    if len(read) < SEVERAL or len(pulse) == 0:
        return False
    return bool(np.median(pulse) > 2 * np.max(read) or np.median(pulse) < np.min(read) / 2)


def _smaller(column: Column, reads: npt.NDArray[np.bool_], pulses: npt.NDArray[np.bool_]) -> bool:
    """Return True if the voltage of reads is smaller than that of pulses."""
    sizes = np.abs(column.values)
    read, pulse = sizes[reads & np.isfinite(sizes)], sizes[pulses & np.isfinite(sizes)]
    return len(read) > 0 and len(pulse) > 0 and bool(np.median(read) <= SMALL * np.median(pulse))


def _by_voltage(grid: Grid, voltage: Column, columns: Sequence[Column], notes: Notes) -> Actions:
    """Return actions by the voltage of pulses; rows of one small voltage are reads."""
    volts = np.nan_to_num(voltage.values)
    sizes = np.abs(volts) / max(float(np.max(np.abs(volts))), 1e-300)
    reads = (sizes <= SMALL) & np.array([any(row) for _, row in grid.rows])
    parted = 0.2 <= np.mean(reads) < 0.95 and float(np.ptp(volts[reads])) <= 0.1 * float(np.max(np.abs(volts)))
    if parted:
        notes.add(f"column {voltage.label}: rows at {np.median(volts[reads]):g} are reads, the others pulses")
    signs = np.where(reads, 0, np.sign(volts)).astype(np.int64) if parted else np.sign(volts).astype(np.int64)
    return Actions(signs, reads if parted else np.ones(len(signs), dtype=bool), bool(parted))


def signs_of_words(grid: Grid, column: Column, faults: FileFaults) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return directions (N,), +1, -1 or 0, by words such as up and reset or by the sign of numbers; 0 beside 1 is down.

    Returns:
        The signs, and (N,) whether the word is one of a read.
    """
    cells = grid.cells(column.number)
    numbers = {number(cell, grid.decimal) for cell in set(cells)} - {None}
    zero = -1 if numbers >= {0.0, 1.0} and not any(value is not None and value < 0 for value in numbers) else 0
    signs = np.zeros(len(cells), dtype=np.int64)
    reads = np.zeros(len(cells), dtype=bool)
    for place, cell in enumerate(cells):
        value = number(cell, grid.decimal)
        word = fold(cell)
        reads[place] = says_read(cell)
        if word in column.meanings:
            signs[place] = column.meanings[word]
        elif word in UP_PULSES or word in DOWN_PULSES:
            signs[place] = 1 if word in UP_PULSES else -1
        elif value is not None:
            signs[place] = zero if value == 0 else np.sign(np.nan_to_num(value))
        elif word not in NO_PULSES:
            signs[place] = sentence(cell)
            if not signs[place] and not reads[place]:
                faults.add(
                    f"{shown(cell)} is no direction; give up, down, set, reset, read, +1 or -1"
                    f"{nearest(word, UP_PULSES | DOWN_PULSES | READ) if len(cell) > 2 else ''}",
                    grid.lines[place],
                    column.label,
                )
    return signs, reads


def turned_by_voltage(voltage: Column, signs: Ints, values: Floats, notes: Notes) -> Ints:
    """Signs of voltages as directions, turned round where negative voltages raise the readings.

    Args:
        voltage: the column.
        signs: (N,) of the pulse before each reading.
        values: (N,) readings, NaN for gaps.
        notes: where the sign that raises the readings is noted.
    """
    steps = np.diff(values)
    up, down = (steps[(signs[1:] == way) & np.isfinite(steps)] for way in (1, -1))
    if len(up) and len(down) and np.mean(up) < np.mean(down):
        notes.add(
            f"column {voltage.label}: negative voltages are taken as up, because readings rise after them (a column "
            f"of +1 and -1, {option('columns', '...,direction')}, is taken as it is)"
        )
        return -signs
    notes.add(f"column {voltage.label}: positive voltages are taken as up")
    return signs


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """N readings of one device in the order of time.

    Attributes:
        lines: (N,) on which they stand.
        values: (N,) by column, NaN for gaps.
        numbers: (N,) pulses so far, if a column counts them.
        moves: (N,) pulses before each reading, 0 where they are not known; None: by numbers, or the same everywhere.
        signs: (N,) their direction; None: it is in the readings.
    """

    lines: tuple[int, ...]
    values: dict[int, Floats]
    numbers: Floats | None
    moves: Ints | None
    signs: Ints | None

    def at(self, kept: Sequence[int]) -> Rows:
        """Return some of the rows."""
        own = np.array(kept, dtype=np.int64)
        return Rows(
            tuple(self.lines[place] for place in kept),
            {column: values[own] for column, values in self.values.items()},
            None if self.numbers is None else self.numbers[own],
            None if self.moves is None else self.moves[own],
            None if self.signs is None else self.signs[own],
        )


def followed(rows: Rows, reads: npt.NDArray[np.bool_], blank: npt.NDArray[np.bool_]) -> Rows:
    """Return the rows of reads alone, each with the pulses that were sent since the read before.

    Reads without a pulse between them are averaged. Pulses of both directions between two reads are not followed.

    Args:
        rows: all rows, with the pulses and the direction of each.
        reads: (N,) the rows that hold readings.
        blank: (N,) the rows across which pulses are not followed.
    """
    assert rows.moves is not None
    assert rows.signs is not None
    groups: list[list[int]] = []
    moves: list[int] = []
    ways: list[int] = []
    pending, way, known = 0, 0, True
    for place in range(len(rows.lines)):
        count, sign = int(rows.moves[place]), int(rows.signs[place])
        if count and sign:
            known = known and way in (0, sign)
            pending, way = pending + count, sign
        if blank[place]:
            known = False
        if not reads[place]:
            continue
        if groups and not pending and known:
            groups[-1].append(place)
            continue
        groups.append([place])
        moves.append(pending if known else 0)
        ways.append(way if known else 0)
        pending, way, known = 0, 0, True
    found = _averaged(rows, groups)
    return dataclasses.replace(found, moves=np.array(moves, dtype=np.int64), signs=np.array(ways, dtype=np.int64))


def averaged_by_count(rows: Rows) -> Rows:
    """Return rows with the average of each run of readings at an equal count of pulses."""
    assert rows.numbers is not None
    groups: list[list[int]] = []
    for place, value in enumerate(rows.numbers.tolist()):
        if groups and value == rows.numbers[groups[-1][-1]]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return _averaged(rows, groups)


def _averaged(rows: Rows, groups: Sequence[Sequence[int]]) -> Rows:
    first = rows.at([group[0] for group in groups])
    values = {}
    for column, own in rows.values.items():
        parts = [own[list(group)] for group in groups]
        values[column] = np.array(
            [part[np.isfinite(part)].mean() if np.isfinite(part).any() else np.nan for part in parts]
        )
    return dataclasses.replace(first, values=values)


def begun_before(rows: Rows, column: int, before: Floats) -> Rows:
    """Return rows with the readings before pulses, which stand in a column of their own.

    Where each is the reading of the row above, only the first is new; else each row is a step of its own, which is not
    connected to the row above.

    Args:
        rows: with the pulses before each reading.
        column: column of the readings after the pulses.
        before: (N,) readings before them.
    """
    assert rows.moves is not None
    after = rows.values[column]
    known = np.isfinite(before[1:]) & np.isfinite(after[:-1])
    span = float(np.ptp(after[np.isfinite(after)]))
    chained = known.any() and np.median(np.abs(before[1:] - after[:-1])[known]) <= 0.005 * span
    count = 1 if chained else len(before)
    order: list[tuple[int, bool]] = []
    for place in range(len(before)):
        order += [(place, True)] if place < count and np.isfinite(before[place]) else []
        order += [(place, False)]
    places = np.array([place for place, _ in order])
    first = np.array([is_before for _, is_before in order])
    return Rows(
        tuple(rows.lines[place] for place in places),
        {column: np.where(first, before[places], after[places])},
        None,
        np.where(first, 0, rows.moves[places]),
        None if rows.signs is None else rows.signs[places],
    )
