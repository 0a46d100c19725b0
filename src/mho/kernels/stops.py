"""Steps of updates that halt: where their columns stand, what is read there, and the signs of their columns."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mho.compiler.program import Call
from mho.kernels import ops
from mho.kernels.ops import Counts, Floats, Window


def take_columns(values: Floats, less: Floats | None, columns: Counts, out: Floats) -> Call:
    """out (R, P, K) = columns (K,) of values (R, P, N), less those of `less` (R, P, N) where it is given."""
    nothing = np.empty((len(values), 0, values.shape[2]), np.float32)
    lines = values.shape[0] * values.shape[1]
    return ops.plain(
        "transfer", "take_columns", lines, out.size, values, nothing if less is None else less, columns, out
    )


def halt(
    window: Window, following: Counts, columns: Counts, numbers: Counts, vector: Counts, every: int, first: Counts
) -> Call:
    """Open a window up to the next events of an update, one for each of K columns in turn.

    Args:
        window: over the N columns; what it ends with is where the columns stand.
        following: number of the next event, (1,), counted on by K.
        columns: takes the columns that halt, (K,).
        numbers: takes the numbers of their events, (K,).
        vector: takes how many vectors there have been at the last of them, (1,).
        every: vectors from one event to the next.
        first: number of the first vector of the update, (1,).
    """
    places = (window.begin, window.end, window.span, following, columns, numbers, vector, every)
    return ops.plain("windows", "halt", 1, len(window.begin), *places, number=first)


def finish(window: Window, vectors: int) -> Call:
    """Open a window from where the columns stand to the end of an update of so many vectors."""
    return ops.plain("windows", "finish", 1, len(window.begin), window.begin, window.end, window.span, vectors)


def count_events(numbers: Counts, following: Counts) -> Call:
    """Set following (1,) to the number behind the last of events (K,)."""
    return ops.plain("transfer", "count_events", 1, 1, numbers, following)


@dataclasses.dataclass(frozen=True)
class Chopping:
    """When the signs of columns change, for each replica.

    Attributes:
        probability: of a change after a reading, (R,); 0: signs stay.
        period: readings from one change to the next, (R,), or 0 where changes are drawn.
        keys: of the draws, (R, 2).
    """

    probability: Floats
    period: Counts
    keys: npt.NDArray[np.uint32]


def count_readings(chopping: Chopping, columns: Counts, events: Counts, age: Floats, changing: Floats) -> Call:
    """Count a reading of columns (K,) by events (K,) on age (R, N); set changing (R, N) of those whose sign changes."""
    given = (columns, events, age, chopping.probability, chopping.period, chopping.keys, changing)
    return ops.plain("choppers", "count_readings", len(age), len(age) * len(columns), *given)


def change_signs(columns: Counts, changing: Floats, sign: Floats, age: Floats) -> Call:
    """Change the signs (R, N) of those of columns (K,) that `changing` (R, N) names, and set their age to 0."""
    return ops.plain("choppers", "change_signs", len(age), len(age) * len(columns), columns, changing, sign, age)


def chop(chopping: Chopping, x: Floats, sign: Floats, age: Floats, every: int, out: Floats, first: Counts) -> Call:
    """out = x (R, T, N) times the signs that each vector meets; sign, age (R, N) are those before the first of them."""
    given = (x, sign, age, every, chopping.probability, chopping.period, chopping.keys, out)
    return ops.plain("choppers", "chop", len(x), x.size, *given, number=first)
