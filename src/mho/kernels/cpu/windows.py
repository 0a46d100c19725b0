"""Updates that halt for events: each column takes part in the vectors up to its event, is read, and goes on later.

Events read one column each. Columns do not influence one another in an update, so several events may be handled in one
halt: each column is moved up to its own event, and the order of a column's vectors stays what it would be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.cpu.lists import SLACK

INDEX = np.uint32(0x7FFFFFFF)


def select(start: Any, stop: Any, counts: Any, trains: Any, window: Any, words: Any, kept: Any) -> None:
    """Copy the trains of the columns that take part in a window: of column j in vectors begin[j] ≤ t < end[j].

    A column that is left out has no coincidences, so its cross-points stay as they are.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        trains: trains of the columns, `mho.kernels.records.LineLists`.
        window: `mho.kernels.records.Window`; only vectors within its span are copied.
        words: trains of a vector.
        kept: takes the copies, `mho.kernels.records.LineLists`.
    """
    for r in range(start, stop):
        place = 0
        for k in range(window.span[0] * words, window.span[1] * words):
            t = k // words
            first, driven = trains.extents[r, k, 0], trains.extents[r, k, 1]
            kept.extents[r, k, 0] = place
            for i in range(first, first + driven):
                line = trains.lines[r, 0, i]
                column = line & INDEX
                if window.begin[column] <= t and t < window.end[column]:
                    kept.lines[r, 0, place] = line
                    kept.lines[r, 1, place] = trains.lines[r, 1, i]
                    place += 1
            kept.extents[r, k, 1] = place - kept.extents[r, k, 0]
            place += SLACK  # kernels read whole vectors of a list, and may look behind its end


def halt(start: Any, stop: Any, counts: Any, window: Any, events: Any, every: Any, first: Any) -> None:
    """Open a window from the last halt of each column to its next event, for the next K events.

    Event number n comes after vector number `every`·(n + 1) - 1, counted from the first vector of the array's life, and
    reads column n modulo N.

    Args:
        start: 0.
        stop: 1; 0: the window is left empty.
        counts: not added to.
        window: `mho.kernels.records.Window`; written.
        events: `mho.kernels.records.Events`, with room for K; written.
        every: vectors from one event to the next.
        first: number of the first vector of the update.
    """
    # columns without an event in this halt get an empty window: their vectors come with a later one
    begin, end = window.begin, window.end
    for j in range(begin.shape[0]):
        begin[j] = end[j]
    low, high = np.int64(1 << 62), np.int64(0)
    for k in range(events.columns.shape[0] if stop > start else 0):
        number = events.following[0] + k
        column = number % begin.shape[0]
        last = (number + 1) * every - first
        events.columns[k], events.numbers[k], end[column] = column, number, last
        low, high = min(low, begin[column]), max(high, last)
    window.span[0], window.span[1] = low, high
    events.vector[0] = high + first
    events.following[0] += events.columns.shape[0]


def finish(start: Any, stop: Any, counts: Any, window: Any, vectors: Any) -> None:
    """Open a window from the last halt of each column to the end of the update.

    Args:
        start: 0.
        stop: 1; equal to `start`: nothing is opened.
        counts: not added to.
        window: `mho.kernels.records.Window`; written.
        vectors: vectors of the update.
    """
    low = np.int64(vectors)
    for j in range(window.begin.shape[0] if stop > start else 0):
        window.begin[j], window.end[j] = window.end[j], vectors
        low = min(low, window.begin[j])
    window.span[0], window.span[1] = low, vectors
