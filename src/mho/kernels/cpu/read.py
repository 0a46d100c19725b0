"""One read of an array, forward or backward, with all that its periphery does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.bits import tile_keys
from mho.kernels.cpu.products import TILE, column_outputs, row_outputs, tile_outputs
from mho.kernels.cpu.trains import largest
from mho.random import mix, normal, vector_keys

ZERO = np.float32(0.0)
LARGEST = np.float32(3.4028235e38)


def read(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    x: Any,
    out: Any,
    backward: Any,
    streams: Any,
    first: Any,
    all_levels: Any,
    noise_management: Any,
    halvings: Any,
    clipped_slot: Any,
    halvings_slot: Any,
) -> None:
    """Read vectors `start` to `stop`, counted over replicas times T.

    Forward: x (R, T, N) to out (R, T, M), P = M·devices lines averaged over devices. Backward: x
    (R, T, M) drives all P lines, the sums (R, T, N) are divided by the devices.
    all_levels (R, 5) float32: noise, output bound, input bound, input step, output step (0: continuous).
    halvings: how often bound management may halve; 0 is no bound management.
    """
    lines, columns, vectors, width = state.shape[1], state.shape[2], x.shape[1], x.shape[2]
    outputs = columns if backward else lines
    rows = x.shape[2] if backward else out.shape[2]
    devices = lines // rows
    # inputs of a tile stay in the first-level cache: 121 to 91 µs for 32×401 and 64 vectors
    tile_size = TILE if columns <= 128 else 16
    raw = np.empty((TILE, outputs), np.float32)
    seen = np.empty(outputs, np.float32)
    driven = np.empty(lines, np.uintp)
    transposed = np.zeros((columns, tile_size), np.float32)
    acc = np.empty(TILE, np.float32)
    scaled = np.empty(width, np.float32)
    keys = np.empty((4, TILE), np.uint32)
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        levels = all_levels[r]
        linear = levels[2] > LARGEST and levels[3] == ZERO
        count = min(tile_size, vectors - t0, stop - q)
        if linear and backward:
            for t in range(count):
                column_outputs(raw[np.uintp(t)], state, r, x[r, np.uintp(t0 + t)], driven)
        elif linear:
            tile_outputs(raw, state, r, x, t0, count, transposed, acc)
        tile_keys(keys, streams[r, 0], streams[r, 1], np.uint64(first) + np.uint64(t0), count, np.uint32(0))
        for tile in range(count):
            t = np.uintp(t0 + tile)
            line = raw[np.uintp(tile)]
            scale = np.float32(1.0)
            if noise_management:
                scale = largest(x[r, t])
                if scale == ZERO:
                    out[r, t, :] = ZERO
                    continue
            clipped = 0
            for halving in range(halvings + 1):
                if not linear:
                    counts[r, NOT_FINITE] += scale_input(scaled, x[r, t], scale, levels)
                    if backward:
                        column_outputs(line, state, r, scaled, driven)
                    else:
                        row_outputs(line, state, r, scaled)
                k0, k1 = keys[0, np.uintp(tile)], keys[1, np.uintp(tile)]
                if halving > 0:
                    words = vector_keys(
                        streams[r, 0], streams[r, 1], np.uint64(first) + np.uint64(t), np.uint32(halving)
                    )
                    k0, k1 = words[0], words[1]
                clipped, bad = answer(seen, line, scale if linear else np.float32(1.0), levels, k0, k1)
                counts[r, NOT_FINITE] += bad
                if clipped == 0 or halving == halvings:
                    break
                counts[r, halvings_slot] += 1
                scale = scale * np.float32(2.0)
            counts[r, clipped_slot] += clipped
            share = scale / np.float32(devices)
            if backward or devices == 1:
                for i in range(out.shape[2]):
                    out[r, t, np.uintp(i)] = seen[np.uintp(i)] * share
            else:
                for i in range(rows):
                    total = ZERO
                    for copy in range(devices):
                        total += seen[np.uintp(copy * rows + i)]
                    out[r, t, np.uintp(i)] = total * share
        q += count


def scale_input(scaled: Any, x: Any, scale: Any, levels: Any) -> Any:
    """The input stage: x/s, clipped to the input bound, rounded; returns how many were no number."""
    bound, step = levels[2], levels[3]
    bad = 0
    for i in range(x.shape[0]):
        at = np.uintp(i)
        v = x[at] / scale
        bad += not (abs(v) <= LARGEST)
        v = min(max(v, -bound), bound)
        scaled[at] = np.rint(v / step) * step if step > ZERO else v
    return bad


def answer(seen: Any, raw: Any, scale: Any, levels: Any, k0: Any, k1: Any) -> Any:
    """The output stage: raw/s plus noise, clipped, rounded.

    Returns how many outputs were clipped, and how many are no number.
    """
    noise, bound, step = levels[0], levels[1], levels[4]
    clipped, bad = np.int32(0), np.int32(0)
    for i in range(raw.shape[0]):
        at = np.uintp(i)
        v = raw[at] / scale
        if noise > ZERO:
            v += noise * normal(mix(np.uint32(i), k0, k1))
        kept = min(max(v, -bound), bound)
        clipped = np.int32(clipped + np.int32(kept != v))
        bad = np.int32(bad + np.int32(not (abs(v) <= LARGEST)))
        seen[at] = kept
    if step > ZERO:
        for i in range(raw.shape[0]):
            seen[np.uintp(i)] = np.rint(seen[np.uintp(i)] / step) * step
    return clipped, bad
