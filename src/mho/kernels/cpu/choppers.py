"""Choppers: signs of columns that change after some of their readings."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.random import mix, uniform, vector_keys

ZERO = np.float32(0)
ONE = np.float32(1)
NOTHING = np.uint32(0)


def changes(age: Any, event: Any, chopping: Any, r: Any) -> Any:
    """Return whether a column's sign changes after its reading number `age` since the last change, by this event.

    With a period above 0 it changes after so many readings; else the draw of the event decides, with the probability.
    """
    period = chopping.period[r]
    if period > 0:
        return np.int64(age) % period == 0
    keys = vector_keys(chopping.keys[r, 0], chopping.keys[r, 1], np.uint64(event), NOTHING)
    return uniform(mix(NOTHING, keys[0], keys[1])) < chopping.probability[r]


def count_readings(
    start: Any, stop: Any, counts: Any, columns: Any, events: Any, age: Any, chopping: Any, changing: Any
) -> None:
    """Count a reading of K columns by K events, and note which change their signs after it.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        columns: (K,) int64.
        events: (K,) int64.
        age: readings of each column since its sign changed, (R, N) float32; counted on.
        chopping: `mho.kernels.records.Chopping`.
        changing: takes 1 or 0 for these columns, (R, N) float32.
    """
    for r in range(start, stop):
        for k in range(columns.shape[0] if chopping.probability[r] > ZERO else 0):
            j = columns[k]
            age[r, j] += ONE
            changing[r, j] = ONE if changes(age[r, j], events[k], chopping, r) else ZERO


def change_signs(start: Any, stop: Any, counts: Any, columns: Any, changing: Any, sign: Any, age: Any) -> None:
    """Change the signs of those of K columns that `changing` (R, N) names; sign, age (R, N); replicas as above."""
    for r in range(start, stop):
        for k in range(columns.shape[0]):
            j = columns[k]
            if changing[r, j] > ZERO:
                sign[r, j] = -sign[r, j]
                age[r, j] = ZERO


def chop(
    start: Any, stop: Any, counts: Any, x: Any, signs: Any, every: Any, chopping: Any, out: Any, first: Any
) -> None:
    """Write x (R, T, N) times the signs that each vector meets.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        x: (R, T, N) float32.
        signs: `mho.kernels.records.Signs` before these vectors.
        every: vectors from one event to the next; each concerns the next column.
        chopping: `mho.kernels.records.Chopping`.
        out: takes the products, (R, T, N) float32.
        first: number of the first vector.
    """
    vectors, columns = x.shape[1], x.shape[2]
    for r in range(start, stop):
        for t in range(vectors):
            for j in range(columns):
                out[r, t, j] = x[r, t, j] * signs.sign[r, j]
        # an event after the last vector changes nothing
        for event in range(first // every, (first + vectors - 1) // every if chopping.probability[r] > ZERO else 0):
            j = event % columns
            reading = signs.age[r, j] + np.float32((event - first // every) // columns + 1)
            if changes(reading, event, chopping, r):
                for t in range((event + 1) * every - first, vectors):
                    out[r, t, j] = -out[r, t, j]
