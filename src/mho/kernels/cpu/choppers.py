"""Choppers: signs of columns that change after some of their readings.

Source: M. J. Rasch et al., Nat. Commun. 15:7133 (2024), arXiv 2303.04721, chopped Tiki-Taka and AGAD.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.random import mix, uniform, vector_keys

ZERO = np.float32(0)
ONE = np.float32(1)
NOTHING = np.uint32(0)


def changes(age: Any, event: Any, chopping: Any, r: Any) -> Any:
    """Return True if the sign of a column changes after this reading.

    Args:
        age: readings of the column since its sign changed, this reading included.
        event: number of the event that reads the column; it names the draw.
        chopping: `mho.kernels.records.Chopping`: a period above 0 changes signs after so many readings; with a period
            of 0 a draw does, with the probability of a change per reading.
        r: replica.
    """
    period = chopping.period[r]
    if period > 0:
        return np.int64(age) % period == 0
    keys = vector_keys(chopping.keys[r, 0], chopping.keys[r, 1], np.uint64(event), NOTHING)
    return uniform(mix(NOTHING, keys[0], keys[1])) < chopping.probability[r]


def count_readings(
    start: Any, stop: Any, counts: Any, columns: Any, events: Any, age: Any, chopping: Any, changing: Any
) -> None:
    """Count a reading of K columns, and note which columns change their signs after it.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        columns: columns that are read, (K,) int64.
        events: numbers of the events that read them, (K,) int64.
        age: readings of each column since its sign changed, (R, N); increased by 1 for the K columns.
        chopping: `mho.kernels.records.Chopping`.
        changing: takes 1 for a column whose sign changes, else 0, (R, N); written for the K columns only.
    """
    for r in range(start, stop):
        # replicas without chopping keep an age of 0, and draw nothing
        for k in range(columns.shape[0] if chopping.probability[r] > ZERO else 0):
            j = columns[k]
            age[r, j] += ONE
            changing[r, j] = ONE if changes(age[r, j], events[k], chopping, r) else ZERO


def change_signs(start: Any, stop: Any, counts: Any, columns: Any, changing: Any, sign: Any, age: Any) -> None:
    """Change the signs of columns that `count_readings` has marked, and set their age to 0.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        columns: columns that may change, (K,) int64.
        changing: 1 for a column whose sign changes, else 0, (R, N).
        sign: +1 or -1, (R, N); updated.
        age: readings since the last change, (R, N); updated.
    """
    for r in range(start, stop):
        for k in range(columns.shape[0]):
            j = columns[k]
            if changing[r, j] > ZERO:
                sign[r, j] = -sign[r, j]
                age[r, j] = ZERO


def chop(
    start: Any, stop: Any, counts: Any, x: Any, signs: Any, every: Any, chopping: Any, out: Any, first: Any
) -> None:
    """Multiply every vector of an update by the signs that columns have when it comes.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        x: (R, T, N).
        signs: `mho.kernels.records.Signs` before these vectors; not changed.
        every: vectors from one event to the next; successive events read successive columns.
        chopping: `mho.kernels.records.Chopping`.
        out: takes x times the signs, (R, T, N).
        first: number of the first vector.
    """
    vectors, columns = x.shape[1], x.shape[2]
    for r in range(start, stop):
        for t in range(vectors):
            for j in range(columns):
                out[r, t, j] = x[r, t, j] * signs.sign[r, j]
        # Signs change at events inside the mini-batch, and trains are drawn before any event has run: the changes are
        # computed ahead here, from the draws that the events will use. An event after the last vector changes nothing.
        for event in range(first // every, (first + vectors - 1) // every if chopping.probability[r] > ZERO else 0):
            j = event % columns
            # each round of events over all columns reads this column once more
            reading = signs.age[r, j] + np.float32((event - first // every) // columns + 1)
            if changes(reading, event, chopping, r):
                for t in range((event + 1) * every - first, vectors):
                    out[r, t, j] = -out[r, t, j]
