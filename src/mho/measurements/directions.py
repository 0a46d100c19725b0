"""The direction of the pulse before each reading, as a column says it."""

from __future__ import annotations

import numpy as np

from mho.errors import nearest
from mho.measurements.cells import number
from mho.measurements.grid import Grid
from mho.measurements.record import Floats
from mho.measurements.series import Ints
from mho.measurements.text import FileFaults, shown
from mho.measurements.vocabulary import DOWN_PULSES, NO_PULSES, UP_PULSES, sentence


def signs_of_words(grid: Grid, column: int, faults: FileFaults) -> Ints:
    """(N,) +1, -1 or 0 by words such as up and reset, or by the sign of numbers; beside 1 alone 0 is down."""
    cells = [cell.lower() for cell in grid.cells(column)]
    numbers = {number(cell, grid.decimal) for cell in set(cells)} - {None}
    zero = -1 if numbers >= {0.0, 1.0} and not any(value is not None and value < 0 for value in numbers) else 0
    signs = np.zeros(len(cells), dtype=np.int64)
    for place, cell in enumerate(cells):
        value = number(cell, grid.decimal)
        if cell in UP_PULSES or cell in DOWN_PULSES:
            signs[place] = 1 if cell in UP_PULSES else -1
        elif value is not None:
            signs[place] = zero if value == 0 else np.sign(np.nan_to_num(value))
        elif cell not in NO_PULSES:
            signs[place] = sentence(cell)
            if not signs[place]:
                faults.add(
                    f"{shown(cell)} is no direction; give up, down, set, reset, +1 or -1"
                    f"{nearest(cell, UP_PULSES | DOWN_PULSES) if len(cell) > 2 else ''}",
                    grid.lines[place],
                    grid.label(column),
                )
    return signs


def signs_of_voltage(grid: Grid, column: int, values: Floats, faults: FileFaults) -> tuple[Ints, list[str]]:
    """(N,) +1, -1 or 0 by the sign of the pulse's voltage, and which sign it is that raises the readings.

    Args:
        values: (N,) readings, NaN for gaps.
    """
    signs = np.sign(np.nan_to_num(grid.numbers(column, faults))).astype(np.int64)
    steps = np.diff(values)
    up, down = (steps[(signs[1:] == way) & np.isfinite(steps)] for way in (1, -1))
    if len(up) and len(down) and np.mean(up) < np.mean(down):
        return -signs, [
            f"column {grid.label(column)}: negative voltages are taken as up, because readings rise after them "
            '(a column of +1 and -1, columns="...,direction", is taken as it is)'
        ]
    return signs, [f"column {grid.label(column)}: positive voltages are taken as up"]
