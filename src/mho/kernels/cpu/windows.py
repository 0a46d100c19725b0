"""Updates that halt: every column takes part in some of the vectors only, and is at an event after its last."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.cpu.lists import SLACK

INDEX = np.uint32(0x7FFFFFFF)


def select(
    start: Any,
    stop: Any,
    counts: Any,
    trains: Any,
    found: Any,
    begin: Any,
    end: Any,
    span: Any,
    words: Any,
    kept: Any,
    kept_found: Any,
) -> None:
    """Copy what columns with begin[j] ≤ t < end[j] send in vector t, for replicas `start` to `stop`.

    trains (R, 2, L) and found (R, T·words, 2) as `mho.kernels.cpu.trains` writes them, and kept, kept_found alike, for
    the columns that are left, in the vectors of `span` (2,) only; begin, end (N,). A column that is left out meets none
    of its coincidences.
    """
    for r in range(start, stop):
        place = 0
        for k in range(span[0] * words, span[1] * words):
            t = k // words
            first, driven = found[r, k, 0], found[r, k, 1]
            kept_found[r, k, 0] = place
            for i in range(first, first + driven):
                line = trains[r, 0, i]
                column = line & INDEX
                if begin[column] <= t and t < end[column]:
                    kept[r, 0, place] = line
                    kept[r, 1, place] = trains[r, 1, i]
                    place += 1
            kept_found[r, k, 1] = place - kept_found[r, k, 0]
            place += SLACK


def halt(
    start: Any,
    stop: Any,
    counts: Any,
    begin: Any,
    end: Any,
    span: Any,
    following: Any,
    columns: Any,
    numbers: Any,
    vector: Any,
    every: Any,
    first: Any,
) -> None:
    """Open the window from the last halt of each column to its next event, for as many events as `columns` has.

    begin, end (N,), span (2,): the window, whose begin is set to its end first; following (1,): the event that comes
    next, counted on by all of these; written: columns (K,), numbers (K,) of their events, and vector (1,), how many
    vectors there have been at the last of them. Event number n comes after `every` (n + 1) vectors, of which the update
    has had `first` before it, and concerns column n modulo N.
    """
    for j in range(begin.shape[0]):
        begin[j] = end[j]
    low, high = np.int64(1 << 62), np.int64(0)
    for k in range(columns.shape[0] if stop > start else 0):
        number = following[0] + k
        column = number % begin.shape[0]
        last = (number + 1) * every - first
        columns[k], numbers[k], end[column] = column, number, last
        low, high = min(low, begin[column]), max(high, last)
    span[0], span[1] = low, high
    vector[0] = high + first
    following[0] += columns.shape[0]


def finish(start: Any, stop: Any, counts: Any, begin: Any, end: Any, span: Any, vectors: Any) -> None:
    """Open the window from the last halt of each column to the end of the update; arguments as `halt`."""
    low = np.int64(vectors)
    for j in range(begin.shape[0] if stop > start else 0):
        begin[j], end[j] = end[j], vectors
        low = min(low, begin[j])
    span[0], span[1] = low, vectors
