"""Column that says the direction of pulses, and the meaning of its words that are not in the vocabulary."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from mho.measurements.cells import is_gap
from mho.measurements.column import Column, of_role
from mho.measurements.formats import READINGS
from mho.measurements.ramps import SWING, find_ramps
from mho.measurements.vocabulary import WORDS, fold, says_read, sentence

SHORT = 2
"""A word of one or two letters that stands for a direction may as well be a name: P, D, n."""
FEWEST = 3
"""Readings of a run of rows whose trend says a direction."""


def keep_one_direction(columns: Sequence[Column]) -> None:
    """Keep the first column that says directions, or the first that also names reads."""
    found = of_role(columns, "direction")
    found.sort(key=lambda column: not any(map(says_read, column.grid.cells(column.number)[:1000])))
    for column in found[1:]:
        column.decide("second direction", f"column {found[0].label} says directions")


def find_opposites(columns: Sequence[Column]) -> None:
    """Take two words for opposite directions if one is known, or if readings rise at one and fall at the other word.

    A language or a laboratory may have its own words for potentiation and depression. Read as names they would make two
    devices, of which one only rises and another only falls.
    """
    if of_role(columns, "direction", "phase", "up", "down", "voltage"):
        return
    for column in of_role(columns, "device", "words"):
        if column.grid.is_numeric(column.number) or column.words & WORDS["device"]:
            continue
        cells = [fold(cell) for cell in column.grid.cells(column.number)]
        names = sorted({cell for cell in cells if cell and not is_gap(cell)})
        if len(names) == 2 and (_by_the_known(column, names, cells, columns) or _by_trend(column, cells, columns)):
            return


def _by_the_known(column: Column, names: Sequence[str], cells: Sequence[str], columns: Sequence[Column]) -> bool:
    """Give the unknown word the direction opposite to the known word, where the readings go opposite ways too."""
    ways = [sentence(name) if len(name) > SHORT else 0 for name in names]
    if sorted(map(abs, ways)) != [0, 1] or any(map(says_read, names)) or not _go_apart(names, cells, columns):
        return False
    known, other = (0, 1) if ways[0] else (1, 0)
    column.meanings = {names[known]: ways[known], names[other]: -ways[known]}
    column.decide("direction", f"{names[known]!r} is a direction, and readings go the opposite way at {names[other]!r}")
    return True


def _go_apart(names: Sequence[str], cells: Sequence[str], columns: Sequence[Column]) -> bool:
    """Return whether the readings rise at the rows of one word and fall at those of the other, each in several rows.

    Else the other word may name rows of another kind: the state before the pulses, or a forming.
    """
    readings = of_role(columns, *READINGS)
    if len(readings) != 1:
        return False
    steps, words = np.diff(readings[0].values), np.array(cells)
    inside = (words[1:] == words[:-1]) & np.isfinite(steps)  # a step between two runs of a word belongs to neither
    changes = [steps[(words[1:] == name) & inside] for name in names]
    return min(map(len, changes)) >= FEWEST and float(np.sum(changes[0])) * float(np.sum(changes[1])) < 0


def _by_trend(column: Column, cells: Sequence[str], columns: Sequence[Column]) -> bool:
    """Give each word the direction in which readings go, where each run begins about where the run before ended."""
    readings = of_role(columns, *READINGS)
    if len(readings) != 1:
        return False
    values, ways, end = readings[0].values, dict[str, int](), None
    reach = SWING * float(np.ptp(readings[0].finite))
    for name, rows in itertools.groupby(range(len(cells)), key=cells.__getitem__):
        run = values[list(rows)]
        run = run[np.isfinite(run)]
        if len(run) < FEWEST:
            return False
        ramps = find_ramps(run)
        continues = end is None or abs(run[0] - end) <= reach
        if not (ramps.clear and continues) or ramps.turns or ways.setdefault(name, ramps.first) != ramps.first:
            return False
        end = run[-1]
    if sorted(ways.values()) != [-1, 1]:
        return False
    if readings[0].kind == "ohm":
        ways = {name: -way for name, way in ways.items()}
    column.meanings = ways
    risen, fallen = sorted(ways, key=ways.__getitem__, reverse=True)
    column.decide("direction", f"one series: conductances rise at {risen!r} and fall at {fallen!r}")
    return True
