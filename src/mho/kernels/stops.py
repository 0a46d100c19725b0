"""Plans of updates that halt: the vectors up to which columns go, what is read there, and the signs of columns."""

from __future__ import annotations

import numpy as np

from mho.compiler.program import Call
from mho.kernels import ops
from mho.kernels.ops import Counts, Floats
from mho.kernels.records import Chopping, Events, Signs, Window


def take_columns(values: Floats, less: Floats | None, columns: Counts, out: Floats) -> Call:
    """Plan out (R, P, K) = columns (K,) of values (R, P, N), less those of `less` (R, P, N) where it is given."""
    nothing = np.empty((len(values), 0, values.shape[2]), np.float32)
    lines = values.shape[0] * values.shape[1]
    return ops.plain(
        "transfer", "take_columns", lines, out.size, values, nothing if less is None else less, columns, out
    )


def no_window(columns: int) -> Window:
    """Return a window over no vector of so many columns."""
    return Window(np.zeros(columns, np.int64), np.zeros(columns, np.int64), np.zeros(2, np.int64))


def halt(window: Window, events: Events, every: int, first: Counts) -> Call:
    """Plan to open a window up to the next events of an update, one for each of K columns in turn.

    Args:
        window: over the N columns; its ends say how far the columns have come.
        events: takes the K events.
        every: vectors from one event to the next.
        first: number of the first vector of the update, (1,).
    """
    return ops.plain("windows", "halt", 1, len(window.begin), window, events, every, number=first)


def finish(window: Window, vectors: int) -> Call:
    """Plan to open a window from where the columns are to the end of an update of so many vectors."""
    return ops.plain("windows", "finish", 1, len(window.begin), window, vectors)


def count_events(numbers: Counts, following: Counts) -> Call:
    """Plan to set following (1,) to the number behind the last of events (K,)."""
    return ops.plain("transfer", "count_events", 1, 1, numbers, following)


def count_readings(chopping: Chopping, columns: Counts, events: Counts, age: Floats, changing: Floats) -> Call:
    """Plan to count a reading of columns (K,) by events (K,) on age (R, N).

    Sets changing (R, N) to 1 for those of these columns whose sign changes after it, else to 0.
    """
    work = len(age) * len(columns)
    return ops.plain("choppers", "count_readings", len(age), work, columns, events, age, chopping, changing)


def change_signs(columns: Counts, changing: Floats, signs: Signs) -> Call:
    """Plan to change the signs of those of columns (K,) where `changing` (R, N) is 1, and to set their age to 0."""
    sign, age = signs
    return ops.plain("choppers", "change_signs", len(age), len(age) * len(columns), columns, changing, sign, age)


def chop(chopping: Chopping, x: Floats, signs: Signs, every: int, out: Floats, first: Counts) -> Call:
    """Plan out = x (R, T, N) times the signs that each vector meets; `signs` are those before the first vector."""
    return ops.plain("choppers", "chop", len(x), x.size, x, signs, every, chopping, out, number=first)
