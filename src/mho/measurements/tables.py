"""Names of tables that are no staircase of identical pulses, for errors that say what would be needed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mho.measurements.column import Column, of_role
from mho.measurements.formats import READINGS
from mho.measurements.grid import Grid
from mho.measurements.ramps import moves
from mho.measurements.record import Floats
from mho.measurements.text import FileFaults
from mho.measurements.vocabulary import WORDS, words
from mho.spoken import option

MANY = 8
"""A series of fewer rows tells too little of what it is."""
LEVELS = 6
"""Identical pulses and reads have fewer voltages than this."""
CLOSE = 0.01
"""Voltages within this share of the largest are one level."""
DECADES = 3.0
"""Times over so many powers of ten are those of a retention measurement."""
WIDE = 4
"""Tables with so many times more columns than rows have a device a row, if readings move along rows."""
SAMPLED = 12
"""So many rows and columns tell which way a table is to be read."""


def refuse_other_tables(grid: Grid, columns: Sequence[Column]) -> None:
    """Refuse a table that is no staircase.

    Raises:
        InvalidValue: naming what the table is.
    """
    if len(grid.rows) < MANY:
        return
    for refused in (_distribution, _waveform, _sweep, _two_states, _unequal_pulses, _retention):
        found = refused(columns)
        if found is not None:
            column, what = found
            faults = FileFaults(grid.file)
            faults.add(f"{what}; {needed()}", grid.lines[0], column.label)
            faults.raise_any()


def needed() -> str:
    """Return what laws are fitted to, and what to do where a table is that."""
    return (
        "laws are fitted to a staircase: readings at one read voltage after identical pulses, a row each; if the table "
        f"is a staircase nonetheless, say what its columns are ({option('columns', '...')})"
    )


Refusal = tuple[Column, str]
"""The column that tells what the table is, and what it is."""


def _distribution(columns: Sequence[Column]) -> Refusal | None:
    """Return the fault of a table that is a matrix of probabilities, which rise from 0 to 1 along rows or columns."""
    for column in columns:
        if column.words & {"cdf", "probability", "percentile", "quantile"} and _rises_to_one(column.finite):
            return column, DISTRIBUTION
    found = [c for c in columns if len(c.finite) == len(c.values)]
    if len(found) < 4 or len(found) < len(columns) or any(c.name for c in columns):
        return None
    matrix = np.column_stack([c.values for c in found])
    if matrix.min() < 0 or matrix.max() > 1:
        return None
    for table in (matrix, matrix.T):
        if table.shape[1] >= 4 and np.mean([_rises_to_one(row) for row in table]) >= 0.5:
            return found[0], DISTRIBUTION
    return None


DISTRIBUTION = (
    "the numbers rise from 0 to 1, so they are a cumulative distribution and no conductances; for  mho train "
    "--measured FOLDER  a folder holds the changes of conductance at one pulse as CrossSim writes them, or "
    "states, changes and probabilities as XBTorch does: axis_G, axis_dG and cdf, of SET and of RESET"
)


def _rises_to_one(values: Floats) -> bool:
    return bool(np.all(np.diff(values) >= 0) and 0 <= values[0] < 0.2 and 0.8 < values[-1] <= 1)


def _levels(values: Floats) -> npt.NDArray[np.int64]:
    """Return values as whole numbers of hundredths of the largest."""
    found: npt.NDArray[np.int64] = np.round(values / (CLOSE * np.max(np.abs(values)))).astype(np.int64)
    return found


def _sweep(columns: Sequence[Column]) -> Refusal | None:
    """Return the fault of a table with a voltage that moves in even steps, up and down: a sweep."""
    for column in columns:
        voltage = column.role in ("voltage", "read_voltage")
        # without a name only steps that turn round at a voltage are told from times and counts
        nameless = column.role == "reading" and not column.name and len(columns) > 1 and np.any(column.finite < 0)
        if not (voltage or nameless) or not _changes(column.finite):
            continue
        steps, low, high = np.diff(column.finite), np.min(column.finite), np.max(column.finite)
        straight = float(np.mean(steps[1:] * steps[:-1] > 0))
        if _even(steps) < 0.7 or straight < 0.7 or not (voltage or (np.any(steps > 0) and np.any(steps < 0))):
            continue
        read = {other.kind for other in of_role(columns, *READINGS) if other is not column}
        pulses = column.words & WORDS["pulse"] or "amplitude" in column.words
        if pulses or (
            "A" not in read and read & {"S", "ohm"}
        ):  # conductances are read after pulses, currents in sweeps
            what = f"a sweep of the pulse's amplitude, from {low:g} to {high:g}, so that no two pulses are identical"
        else:
            what = f"an I-V sweep: the voltage steps evenly from {low:g} to {high:g}, and the current follows it"
        return column, f"the table is {what}"
    return None


def _unequal_pulses(columns: Sequence[Column]) -> Refusal | None:
    """Return the fault of a table whose pulses have another voltage in nearly every row."""
    for column in of_role(columns, "voltage") if of_role(columns, *READINGS) else []:
        if _changes(column.finite) and _even(np.diff(column.finite)) < 0.7:
            return column, (
                f"the pulses have {len(np.unique(_levels(column.finite)))} different voltages from row to row, as in a "
                "program-and-verify log whose pulses grow; they are not identical"
            )
    return None


def _changes(voltage: Floats) -> bool:
    """Return True if a voltage changes in most rows, and has more values than pulses and reads need."""
    if len(voltage) < MANY or not voltage.any():
        return False
    levels = _levels(voltage)
    return len(np.unique(levels)) >= LEVELS and bool(np.mean(np.diff(levels) != 0) >= 0.5)


def _even(steps: Floats) -> float:
    """Return the share of steps that are as large as most."""
    sizes = np.abs(steps)
    return float(np.mean(np.abs(sizes - np.median(sizes)) <= 0.1 * np.median(sizes)))


def _waveform(columns: Sequence[Column]) -> Refusal | None:
    """Samples in time of the voltage and the current during pulses."""
    times = [c for c in of_role(columns, "time") if len(c.finite) == len(c.values)]
    signals = [c for c in of_role(columns, *READINGS, "voltage", "second voltage") if c.kind in ("A", "V")]
    for column in of_role(columns, "voltage"):
        values = np.nan_to_num(column.values)
        if len(signals) < 2 or not values.any() or (not times and len(values) < 1000):
            continue
        level = np.abs(values) / np.max(np.abs(values))
        rest, pulse = level < 0.02, level > 0.5
        edges = np.count_nonzero(np.diff(pulse.astype(np.int64)) != 0)
        length = pulse.sum() / max(edges / 2, 1)
        if rest.mean() >= 0.1 and pulse.sum() >= 2 and length >= 2:
            return column, (
                f"the table is a sampled waveform: {len(values)} samples, of which {length:.3g} in the mean fall "
                "into one "
                "pulse, and many at 0 V; give one reading after each pulse"
            )
    return None


def _two_states(columns: Sequence[Column]) -> Refusal | None:
    """Low and high resistance states side by side, a cycle or a time a row."""
    readings = of_role(columns, *READINGS)
    low = [c for c in readings if c.words & WORDS["low"]]
    high = [c for c in readings if c.words & WORDS["high"]]
    for column in of_role(columns, "device", "words"):
        names = [frozenset(words(cell)) for cell in set(column.grid.cells(column.number))]
        if any(name & WORDS["low"] for name in names) and any(name & WORDS["high"] for name in names):
            low, high = [column], [column]
    if (low and high) or _apart(readings, of_role(columns, "direction", "voltage")):
        column = (low or readings)[0]
        if of_role(columns, "time") and not of_role(columns, "number", "cycle"):
            return column, RETENTION
        return column, ENDURANCE
    return None


ENDURANCE = (
    "the table shows endurance: the low and the high state of every cycle, without pulses between them; it gives "
    "the range of the device and its spread (w_min, w_max), and no step"
)
RETENTION = (
    "the table shows retention: states against time, without pulses; it gives decay and drift (the device's decay, "
    "drift), and no step"
)


def _apart(readings: Sequence[Column], directed: Sequence[Column]) -> bool:
    """Return True if columns hold a state each that does not move, far from the others."""
    if len(readings) < 2 or directed or min(len(c.finite) for c in readings) < MANY:
        return False
    ways = {c.role for c in readings}
    if ways != {"up", "down"} or any(moves(c.finite) for c in readings):
        return False
    bounds = sorted((np.quantile(c.finite, 0.05), np.quantile(c.finite, 0.95)) for c in readings)
    return all(before[1] < after[0] for before, after in itertools.pairwise(bounds))


def _retention(columns: Sequence[Column]) -> Refusal | None:
    """Readings at times over decades."""
    if of_role(columns, "number", "sent", "direction", "voltage", "up", "down"):
        return None
    for column in of_role(columns, "time"):
        if not any(moves(reading.finite) for reading in of_role(columns, *READINGS)):
            return column, RETENTION
        times = column.finite[column.finite > 0]
        if len(times) < MANY or np.any(np.diff(times) < 0):
            continue
        if np.log10(times[-1] / times[0]) >= DECADES and np.ptp(np.diff(np.log10(times))[1:]) < 1.0:
            steps = np.diff(times)
            if steps[-1] > 50 * steps[0]:
                return column, RETENTION
    return None


def alternates(values: Floats) -> bool:
    """Return True if readings jump from one end of their range to the other in nearly every row."""
    steps = np.diff(values)
    if len(steps) < MANY:
        return False
    span = np.quantile(values, 0.9) - np.quantile(values, 0.1)
    turns = np.mean(steps[1:] * steps[:-1] < 0)
    return bool(turns >= 0.8 and np.median(np.abs(steps)) > 0.5 * span > 0)


def rows_are_devices(grid: Grid) -> str:
    """Return the evidence that each row is a device, "ramps" or "alternation" along the rows; "" without evidence."""
    numeric = [
        column
        for column in range(grid.width)
        if grid.is_numeric(column)
        and not grid.is_empty(column)
        and not set(words(grid.names[column])) & (WORDS["device"] | WORDS["address"])
    ]
    named = [grid.names[column] for column in numeric[1:]]
    if (
        len(numeric) < MANY
        or len(numeric) <= len(grid.rows) / 4
        or any(any(map(str.isalpha, n)) for n in named if not _is_index(n))
    ):
        return ""
    rows = [row for row in range(len(grid.rows)) if any(grid.rows[row][1])]
    table = np.column_stack([grid.numbers(column, FileFaults(grid.file)) for column in numeric])[rows]
    first = table[:, 0]
    table = table[:, 1:] if np.all(first == np.round(first)) else table
    if len(table) == 0 or np.isfinite(table).mean() < 0.5:
        return ""
    across = [line[np.isfinite(line)] for line in table[:: max(len(table) // SAMPLED, 1)]]
    downwards = [line[np.isfinite(line)] for line in table.T[:: max(table.shape[1] // SAMPLED, 1)]]
    if any(len(line) < MANY for line in across):
        return ""
    # many short columns are no devices even where they move
    if len(table.T) < WIDE * len(table) and np.mean([len(d) >= MANY and moves(d) for d in downwards]) > 0.25:
        return ""
    if np.mean([alternates(line) for line in across]) >= 0.75:
        return "alternation"
    return "ramps" if np.mean([moves(line) for line in across]) >= 0.75 else ""


def _is_index(name: str) -> bool:
    """Return True if the name of a column only counts: "3", "P3", "pulse 3"."""
    return any(map(str.isdigit, name)) and set(name.lower().rstrip("0123456789 _#.")) <= set("pulse#n _r")
