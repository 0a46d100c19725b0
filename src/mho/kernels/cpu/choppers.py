"""Choppers: signs of columns that change after some of their readings."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.random import mix, uniform, vector_keys

ZERO = np.float32(0)
ONE = np.float32(1)
NOTHING = np.uint32(0)


def changes(age: Any, event: Any, probability: Any, period: Any, key_0: Any, key_1: Any) -> Any:
    """Return whether a column's sign changes after its reading number `age` since the last change, by this event.

    With a period above 0 it changes after so many readings; else the draw of the event decides, of this probability.
    """
    if period > 0:
        return np.int64(age) % period == 0
    keys = vector_keys(key_0, key_1, np.uint64(event), NOTHING)
    return uniform(mix(NOTHING, keys[0], keys[1])) < probability


def count_readings(
    start: Any,
    stop: Any,
    counts: Any,
    columns: Any,
    events: Any,
    age: Any,
    probability: Any,
    period: Any,
    keys: Any,
    changing: Any,
) -> None:
    """Count a reading of K columns by K events, and note which change their sign after it; replicas `start` to `stop`.

    columns, events (K,); age (R, N) float32, counted on; probability (R,) float32, 0 where signs stay; period (R,)
    int64, 0 where changes are drawn; keys (R, 2); written: changing (R, N), 1 or 0, of these columns.
    """
    for r in range(start, stop):
        for k in range(columns.shape[0] if probability[r] > ZERO else 0):
            j = columns[k]
            age[r, j] += ONE
            now = changes(age[r, j], events[k], probability[r], period[r], keys[r, 0], keys[r, 1])
            changing[r, j] = ONE if now else ZERO


def change_signs(start: Any, stop: Any, counts: Any, columns: Any, changing: Any, sign: Any, age: Any) -> None:
    """Change the signs of those of K columns that `changing` (R, N) names; sign, age (R, N); replicas as above."""
    for r in range(start, stop):
        for k in range(columns.shape[0]):
            j = columns[k]
            if changing[r, j] > ZERO:
                sign[r, j] = -sign[r, j]
                age[r, j] = ZERO


def chop(
    start: Any,
    stop: Any,
    counts: Any,
    x: Any,
    sign: Any,
    age: Any,
    every: Any,
    probability: Any,
    period: Any,
    keys: Any,
    out: Any,
    first: Any,
) -> None:
    """Write x (R, T, N), of vectors from number `first` on, times the signs that each vector meets; replicas as above.

    sign, age (R, N) as they are before these vectors; an event follows every `every` vectors, each of the next column.
    """
    vectors, columns = x.shape[1], x.shape[2]
    for r in range(start, stop):
        for t in range(vectors):
            for j in range(columns):
                out[r, t, j] = x[r, t, j] * sign[r, j]
        # one after the last vector changes nothing
        for event in range(first // every, (first + vectors - 1) // every if probability[r] > ZERO else 0):
            j = event % columns
            reading = age[r, j] + np.float32((event - first // every) // columns + 1)
            if changes(reading, event, probability[r], period[r], keys[r, 0], keys[r, 1]):
                for t in range((event + 1) * every - first, vectors):
                    out[r, t, j] = -out[r, t, j]
