"""Read-out and time evolution of cross-points without pulses."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.law import cell_of, read, rest
from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.cell import aged, moved, seen
from mho.random import READING_BLOCK, RESTING_BLOCK, mix, normal, vector_keys

# Set by the device's model, as in `update`.
WRITTEN = 0


def visible(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    fields: Any,
    strides: Any,
    tables: Any,
    streams: Any,
    out: Any,
    first: Any,
) -> None:
    """Write the weights that the read of vector `first` sees, out (R, P, N), of lines `start` to `stop` of R·P.

    streams (R, 2): keys of the reads.
    """
    lines, columns = state.shape[1], state.shape[2]
    for q in range(start, stop):
        r, p = q // lines, q % lines
        words = vector_keys(streams[r, 0], streams[r, 1], np.uint64(first), READING_BLOCK)
        for j in range(columns):
            index = np.uint32(p * columns + j)
            cell = cell_of(fields, strides, tables, r, index, p, j)
            shown = np.float32(read(state[r, p, j], cell, normal(mix(index, words[0], words[1]))))
            value = seen(shown, cell, index, words[2], words[3])
            if value != value:
                counts[r, NOT_FINITE] += 1
                value = state[r, p, j]
            out[r, p, j] = value


def pass_time(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    fields: Any,
    strides: Any,
    hidden: Any,
    tables: Any,
    streams: Any,
    dt: Any,
    first: Any,
) -> None:
    """Let a time dt[0] pass for lines `start` to `stop` of R·P; its normals are those of vector `first`.

    Where there is write noise, the written weight changes, and what was read of it moves along.
    """
    lines, columns = state.shape[1], state.shape[2]
    for q in range(start, stop):
        r, p = q // lines, q % lines
        words = vector_keys(streams[r, 0], streams[r, 1], np.uint64(first), RESTING_BLOCK)
        for j in range(columns):
            index = np.uint32(p * columns + j)
            cell = cell_of(fields, strides, tables, r, index, p, j)
            shown = state[r, p, j]
            w = hidden[r, 0, p, j] if WRITTEN > 0 else shown
            new = np.float32(rest(w, cell, dt[0], normal(mix(index, words[0], words[1]))))
            new = aged(new, cell, dt[0], index, words[2], words[3])
            if new != new:
                counts[r, NOT_FINITE] += 1
                new = w
            new = min(max(moved(new, w, cell), cell.w_min), cell.w_max)
            if WRITTEN > 0:
                hidden[r, 0, p, j] = new
                state[r, p, j] = min(max(shown + (new - w), cell.w_min), cell.w_max)
            else:
                state[r, p, j] = new
