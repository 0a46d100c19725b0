"""Transfers between banks: the map from readings of columns to pulses, and the trains that send them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.lists import SLACK

LONGEST = 32  # slots of a train: as many as a word has bits
NEGATIVE = np.uint32(0x80000000)
EVERY_BIT = np.uint32(0xFFFFFFFF)


def decide(buffers: Any, lines: Any, settings: Any, r: Any, i: Any, j: Any, omega: Any) -> Any:
    """Update the buffers of weight (i, j) by a reading, and return its pulses, negative for pulses down.

    In compiled kernels the cell's own map of the transfer stands here; this function is never run.

    Args:
        buffers: buffers of the weights, a tuple of (R, M, N); updated.
        lines: buffers of the columns, a tuple of (R, N).
        settings: numbers of the cell (R, S), and of the transfer (R, 2).
        r: replica.
        i: row of the weight.
        j: column of the weight.
        omega: the reading, in array units.
    """
    raise NotImplementedError


def transfer_columns(
    start: Any,
    stop: Any,
    counts: Any,
    buffers: Any,
    lines: Any,
    settings: Any,
    omega: Any,
    columns: Any,
    pulses: Any,
) -> None:
    """Apply the map of a transfer to the readings of K columns.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        buffers: buffers of the weights, a tuple of (R, M, N); updated.
        lines: buffers of the columns, a tuple of (R, N).
        settings: numbers of the cell (R, S), and of the transfer (R, 2).
        omega: readings, (R, K, M).
        columns: columns that were read, (K,) int64.
        pulses: takes the pulses, (R, K, M) int32, negative for pulses down.
    """
    for r in range(start, stop):
        for k in range(columns.shape[0]):
            for i in range(omega.shape[2]):
                pulses[r, k, i] = np.int32(decide(buffers, lines, settings, r, i, columns[k], omega[r, k, i]))


def send_columns(start: Any, stop: Any, counts: Any, pulses: Any, columns: Any, copies: Any, x: Any, d: Any) -> None:
    """Write trains that give every cross-point of K columns its number of pulses, a vector per column.

    Only one column pulses per vector, in as many slots as its busiest row, and each row in its first slots: so a row's
    pulses all coincide.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: (R, SIZE); pulses are added, and lines that ask for more than 32 pulses, of which 32 are sent, are added
            to the saturated probabilities.
        pulses: (R, K, M) int32, negative for pulses down.
        columns: (K,) int64.
        copies: devices of a weight, which get the same pulses.
        x: takes the trains of the columns, K vectors, `mho.kernels.records.LineLists`.
        d: takes the trains of the rows, K vectors, `mho.kernels.records.LineLists`.
    """
    rows = pulses.shape[2]
    for r in range(start, stop):
        place = 0
        for k in range(columns.shape[0]):
            most = 0  # pulses of the busiest row, which the column has to match
            d.extents[r, k, 0] = place
            for copy in range(copies):
                for i in range(rows):
                    n = pulses[r, k, i]
                    size = abs(n)
                    if size > LONGEST:
                        size = LONGEST
                        counts[r, SATURATED_PROBABILITIES] += 1
                    if size > 0:
                        sign = NEGATIVE if n < 0 else np.uint32(0)
                        d.lines[r, 0, place] = np.uint32(np.uint32(copy * rows + i) | sign)
                        # the lowest `size` bits are set: which slots they are does not matter, as long as both sides
                        # agree
                        d.lines[r, 1, place] = np.uint32(EVERY_BIT >> np.uint32(LONGEST - size))
                        counts[r, PULSES] += size
                        most = max(most, size)
                        place += 1
            d.extents[r, k, 1] = place - d.extents[r, k, 0]
            place += SLACK  # kernels read whole vectors of a list, and may look behind its end
            begin = k * (1 + SLACK)
            x.extents[r, k, 0] = begin
            x.extents[r, k, 1] = 1 if most > 0 else 0
            if most > 0:
                x.lines[r, 0, begin] = np.uint32(columns[k])
                x.lines[r, 1, begin] = np.uint32(EVERY_BIT >> np.uint32(LONGEST - most))
                counts[r, PULSES] += most


def take_columns(start: Any, stop: Any, counts: Any, values: Any, less: Any, columns: Any, out: Any) -> None:
    """Copy some columns of a matrix, less those of a reference.

    Args:
        start: first line, counted over replicas times P.
        stop: the line behind the last.
        counts: not added to.
        values: (R, P, N).
        less: reference that is subtracted, (R, P, N); (R, 0, N): none.
        columns: columns to copy, (K,) int64.
        out: takes them, (R, P, K).
    """
    lines = values.shape[1]
    for q in range(start, stop):
        r, p = q // lines, q % lines
        for k in range(columns.shape[0]):
            value = values[r, p, columns[k]]
            out[r, p, k] = value - less[r, p, columns[k]] if less.shape[1] > 0 else value


def count_events(start: Any, stop: Any, counts: Any, events: Any, number: Any) -> None:
    """Set the number of the next event to that behind the last of some events.

    Args:
        start: 0.
        stop: 1; equal to `start`: nothing is done.
        counts: not added to.
        events: numbers of events, (K,) int64, ascending.
        number: takes events[K - 1] + 1, (1,) int64.
    """
    if stop > start:
        number[0] = events[events.shape[0] - 1] + 1
