"""Transfers between banks: what becomes of the readings of columns, and the pulses that follow."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.lists import SLACK

LONGEST = 32  # slots of a train that one word holds
NEGATIVE = np.uint32(0x80000000)
EVERY_BIT = np.uint32(0xFFFFFFFF)


def decide(buffers: Any, lines: Any, settings: Any, r: Any, i: Any, j: Any, omega: Any) -> Any:
    """Filled with the cell's map: updates the buffers of weight (i, j), and returns how many pulses it gets."""
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
    """Apply the map of a transfer to the readings of columns, for replicas `start` to `stop`.

    buffers: each (R, M, N) float32; lines: each (R, N) float32, by column; settings: numbers of the cell
    (R, S) and of the transfer (R, 2), float32; omega (R, K, M) the readings of K columns; columns (K,); written: pulses
    (R, K, M) int32, negative for pulses down.
    """
    for r in range(start, stop):
        for k in range(columns.shape[0]):
            for i in range(omega.shape[2]):
                pulses[r, k, i] = np.int32(decide(buffers, lines, settings, r, i, columns[k], omega[r, k, i]))


def send_columns(
    start: Any,
    stop: Any,
    counts: Any,
    pulses: Any,
    columns: Any,
    copies: Any,
    x_trains: Any,
    x_found: Any,
    d_trains: Any,
    d_found: Any,
) -> None:
    """Write trains that give every cross-point of K columns its pulses, for replicas `start` to `stop`.

    pulses (R, K, M) int32; columns (K,); each of the `copies` devices of a weight gets the same pulses. Written: trains
    of K vectors as `mho.kernels.cpu.trains` writes them. A column pulses in as many slots as its busiest row, a row in
    the first slots; more than 32 pulses are cut, and counted as saturated.
    """
    rows = pulses.shape[2]
    for r in range(start, stop):
        place = 0
        for k in range(columns.shape[0]):
            most = 0
            d_found[r, k, 0] = place
            for copy in range(copies):
                for i in range(rows):
                    n = pulses[r, k, i]
                    size = abs(n)
                    if size > LONGEST:
                        size = LONGEST
                        counts[r, SATURATED_PROBABILITIES] += 1
                    if size > 0:
                        sign = NEGATIVE if n < 0 else np.uint32(0)
                        d_trains[r, 0, place] = np.uint32(np.uint32(copy * rows + i) | sign)
                        d_trains[r, 1, place] = np.uint32(EVERY_BIT >> np.uint32(LONGEST - size))
                        counts[r, PULSES] += size
                        most = max(most, size)
                        place += 1
            d_found[r, k, 1] = place - d_found[r, k, 0]
            place += SLACK
            begin = k * (1 + SLACK)
            x_found[r, k, 0] = begin
            x_found[r, k, 1] = 1 if most > 0 else 0
            if most > 0:
                x_trains[r, 0, begin] = np.uint32(columns[k])
                x_trains[r, 1, begin] = np.uint32(EVERY_BIT >> np.uint32(LONGEST - most))
                counts[r, PULSES] += most


def take_columns(start: Any, stop: Any, counts: Any, values: Any, less: Any, columns: Any, out: Any) -> None:
    """Write K columns of values (R, P, N), less those of `less` where it has lines, for lines `start` to `stop` of R·P.

    less (R, P, N) or (R, 0, N); columns (K,); out (R, P, K).
    """
    lines = values.shape[1]
    for q in range(start, stop):
        r, p = q // lines, q % lines
        for k in range(columns.shape[0]):
            value = values[r, p, columns[k]]
            out[r, p, k] = value - less[r, p, columns[k]] if less.shape[1] > 0 else value


def count_events(start: Any, stop: Any, counts: Any, events: Any, number: Any) -> None:
    """Set number (1,) to the one behind the last of events (K,)."""
    if stop > start:
        number[0] = events[events.shape[0] - 1] + 1
