"""Read-out and time evolution of cross-points without pulses."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.law import cell_of, read, rest
from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.cell import aged, moved, seen
from mho.random import READING_BLOCK, RESTING_BLOCK, mix, normal, vector_keys

# Set by the device's model, as in `moves`: above 0 if devices hide a written weight behind the one that is read.
WRITTEN = 0


def visible(start: Any, stop: Any, counts: Any, state: Any, devices: Any, keys: Any, out: Any, first: Any) -> None:
    """Compute the weights that a read sees: the law's `read`, then each effect's `seen`, with the draws of that read.

    `mho.kernels.reference.visible` is the truth.

    Args:
        start: first line, counted over replicas times P.
        stop: the line behind the last.
        counts: (R, SIZE); NaN are added to NOT_FINITE, and replaced by the state.
        state: (R, P, N).
        devices: `mho.kernels.records.DeviceArrays`.
        keys: keys of the stream of the reads, (R, 2) uint32.
        out: takes the weights, (R, P, N).
        first: number of the read's first vector, which names the draws.
    """
    lines, columns = state.shape[1], state.shape[2]
    for q in range(start, stop):
        r, p = q // lines, q % lines
        # words 0 and 1 are the keys of the law's normals, words 2 and 3 those of effects
        words = vector_keys(keys[r, 0], keys[r, 1], np.uint64(first), READING_BLOCK)
        for j in range(columns):
            index = np.uint32(p * columns + j)
            cell = cell_of(devices.fields, devices.strides, devices.tables, r, index, p, j)
            shown = np.float32(read(state[r, p, j], cell, normal(mix(index, words[0], words[1]))))
            value = seen(shown, cell, index, words[2], words[3])
            if value != value:  # NaN
                counts[r, NOT_FINITE] += 1
                value = state[r, p, j]
            out[r, p, j] = value


def pass_time(start: Any, stop: Any, counts: Any, state: Any, devices: Any, keys: Any, dt: Any, first: Any) -> None:
    """Let time pass: apply the law's `rest`, then each effect's `aged`, and clip to the bounds.

    With write noise the written weight changes, and the weight that is read moves by the same difference.
    `mho.kernels.reference.rest` is the truth.

    Args:
        start: first line, counted over replicas times P.
        stop: the line behind the last.
        counts: (R, SIZE); NaN are added to NOT_FINITE, and their weights stay as they were.
        state: weights that reads see, (R, P, N); updated, as the hidden written weights are.
        devices: `mho.kernels.records.DeviceArrays`.
        keys: keys of the stream of time, (R, 2) uint32.
        dt: the time in optimizer steps, (1,) float32.
        first: number that names the draws.
    """
    lines, columns = state.shape[1], state.shape[2]
    for q in range(start, stop):
        r, p = q // lines, q % lines
        # words 0 and 1 are the keys of the law's normals, words 2 and 3 those of effects
        words = vector_keys(keys[r, 0], keys[r, 1], np.uint64(first), RESTING_BLOCK)
        for j in range(columns):
            index = np.uint32(p * columns + j)
            cell = cell_of(devices.fields, devices.strides, devices.tables, r, index, p, j)
            shown = state[r, p, j]
            w = devices.hidden[r, 0, p, j] if WRITTEN > 0 else shown
            new = np.float32(rest(w, cell, dt[0], normal(mix(index, words[0], words[1]))))
            new = aged(new, cell, dt[0], index, words[2], words[3])
            if new != new:  # NaN
                counts[r, NOT_FINITE] += 1
                new = w
            new = min(max(moved(new, w, cell), cell.w_min), cell.w_max)
            if WRITTEN > 0:
                devices.hidden[r, 0, p, j] = new
                state[r, p, j] = min(max(shown + (new - w), cell.w_min), cell.w_max)
            else:
                state[r, p, j] = new
