"""Plans of updates that halt for events: windows of vectors, columns that are read, and choppers.

Shapes: R replicas, P lines, N columns, K events of a halt. Nothing is counted.
"""

from __future__ import annotations

import numpy as np

from mho.compiler.program import Call
from mho.kernels import ops
from mho.kernels.ops import Counts, Floats
from mho.kernels.records import Chopping, Events, Signs, Window


def take_columns(values: Floats, less: Floats | None, columns: Counts, out: Floats) -> Call:
    """Plan a copy of columns, less those of a reference.

    Args:
        values: (R, P, N).
        less: reference that is subtracted, (R, P, N); None: none.
        columns: the columns, (K,) int64.
        out: takes them, (R, P, K).
    """
    nothing = np.empty((len(values), 0, values.shape[2]), np.float32)
    lines = values.shape[0] * values.shape[1]
    return ops.plain(
        "transfer", "take_columns", lines, out.size, values, nothing if less is None else less, columns, out
    )


def empty_window(columns: int) -> Window:
    """Return a window over `columns` columns in which none takes part in any vector."""
    return Window(np.zeros(columns, np.int64), np.zeros(columns, np.int64), np.zeros(2, np.int64))


def halt(window: Window, events: Events, every: int, first: Counts) -> Call:
    """Plan to open a window up to the next K events of an update, which read successive columns.

    Args:
        window: over N columns; its ends say how far the columns have come. Written.
        events: takes the K events.
        every: vectors from one event to the next.
        first: number of the first vector of the update, (1,).
    """
    return ops.plain("windows", "halt", 1, len(window.begin), window, events, every, number=first)


def finish(window: Window, vectors: int) -> Call:
    """Plan to open a window from the last halt of each column to the end of an update of `vectors` vectors."""
    return ops.plain("windows", "finish", 1, len(window.begin), window, vectors)


def count_events(numbers: Counts, following: Counts) -> Call:
    """Plan following (1,) = the number behind the last of the events `numbers` (K,)."""
    return ops.plain("transfer", "count_events", 1, 1, numbers, following)


def count_readings(chopping: Chopping, columns: Counts, events: Counts, age: Floats, changing: Floats) -> Call:
    """Plan to count a reading of K columns, and to mark the columns whose signs change after it.

    Args:
        chopping: when signs change.
        columns: columns that are read, (K,) int64.
        events: numbers of the events that read them, (K,) int64.
        age: readings since the last change, (R, N); updated.
        changing: takes 1 for columns whose sign changes, else 0, (R, N).
    """
    work = len(age) * len(columns)
    return ops.plain("choppers", "count_readings", len(age), work, columns, events, age, chopping, changing)


def change_signs(columns: Counts, changing: Floats, signs: Signs) -> Call:
    """Plan to change the signs of the columns (K,) for which `changing` (R, N) is 1, and to set their age to 0."""
    sign, age = signs
    return ops.plain("choppers", "change_signs", len(age), len(age) * len(columns), columns, changing, sign, age)


def chop(chopping: Chopping, x: Floats, signs: Signs, every: int, out: Floats, first: Counts) -> Call:
    """Plan the product of vectors and the signs of columns at their time.

    Args:
        chopping: when signs change.
        x: (R, T, N).
        signs: signs before the first vector.
        every: vectors from one event to the next.
        out: takes the products, (R, T, N).
        first: number of the first vector, (1,).
    """
    return ops.plain("choppers", "chop", len(x), x.size, x, signs, every, chopping, out, number=first)
