"""One read of an array, forward or backward, with all that its periphery does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import turn
from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.bits import tile_keys
from mho.kernels.cpu.products import LANES, ROWS, TILE, WIDE, column_outputs, row_outputs, tile_outputs
from mho.kernels.cpu.trains import largest
from mho.random import mix, normal, vector_keys

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LARGEST = np.float32(3.4028235e38)
FEW = 12  # vectors below which lanes run over outputs

# Rows of what a tile knows of its vectors.
KEY_0 = 0
KEY_1 = 64
NOISE = 128
BOUND = 192
STEP = 256
SHARE = 320
CLIPPED = 384
BAD = 448
NOTES = 512


def read(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    x: Any,
    out: Any,
    backward: Any,
    streams: Any,
    all_levels: Any,
    noise_management: Any,
    halvings: Any,
    clipped_slot: Any,
    halvings_slot: Any,
    first: Any,
) -> None:
    """Read vectors `start` to `stop`, counted over replicas times T.

    Forward: x (R, T, N) to out (R, T, M), P = M·devices lines averaged over devices. Backward: x
    (R, T, M) drives all P lines, the sums (R, T, N) are divided by the devices.
    all_levels (R, 5) float32: noise, output bound, input bound, input step, output step (0: continuous).
    halvings: how often bound management may halve; 0 is no bound management.

    s·clip(W(x/s) + σξ, ±α) is computed as clip(Wx + sσξ, ±sα), unless the input stage clips or rounds.
    """
    lines, columns, vectors, width = state.shape[1], state.shape[2], x.shape[1], x.shape[2]
    padded = (max(lines, columns) + 15) // 16 * 16
    tiled = not backward and vectors >= FEW
    raw = np.empty((lines + ROWS) * TILE if tiled else padded, np.float32)
    columns_first = np.empty(columns * TILE if tiled else 1, np.float32)
    sums = np.empty(ROWS * TILE, np.float32)
    notes = np.zeros(NOTES, np.float32)
    line = np.zeros(padded, np.float32)
    seen = np.empty(padded, np.float32)
    driven = np.empty(lines, np.uintp)
    scaled = np.empty(width, np.float32)
    keys = np.empty((4, TILE), np.uint32)
    kind = (backward, noise_management, halvings, clipped_slot, halvings_slot)
    scratch = (line, seen, driven, scaled)
    tile = (raw, sums, columns_first, notes, keys)
    read_vectors(start, stop, counts, state, x, out, streams, first, all_levels, kind, tile, scratch)


def read_vectors(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    x: Any,
    out: Any,
    streams: Any,
    first: Any,
    all_levels: Any,
    kind: Any,
    tile: Any,
    scratch: Any,
) -> None:
    """The loop over tiles and vectors, apart from the kernel: only helpers are free of Numba's reference counts."""
    raw, sums, columns_first, notes, keys = tile
    backward, noise_management, halvings, clipped_slot, halvings_slot = kind
    lines, vectors = state.shape[1], x.shape[1]
    tiled = not backward and vectors >= FEW
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(TILE, vectors - t0, stop - q)
        levels, stream = all_levels[r], (streams[r, 0], streams[r, 1], np.uint64(first))
        tile_keys(keys, stream[0], stream[1], np.uint64(stream[2] + np.uint64(t0)), 0, count, np.uint32(0))
        if tiled and count >= FEW and levels[2] > LARGEST and levels[3] == ZERO:
            tile_outputs(raw, sums, state, r, x, t0, count, columns_first)
            note_vectors(notes, x, r, t0, count, keys, levels, noise_management, lines // out.shape[2])
            answer_tile(raw, notes, lines, count, levels)
            write_tile(out, raw, notes, r, t0, count, lines // out.shape[2])
            flags = notes.view(np.int32)
            for i in range(count):
                counts[r, NOT_FINITE] += flags[np.uintp(BAD + i)]
                clipped = flags[np.uintp(CLIPPED + i)]
                if clipped > 0 and halvings > 0:
                    counts[r, halvings_slot] += 1
                    read_vector(counts[r], state, r, x, out, t0 + i, 1, keys[:, i], stream, levels, kind, scratch)
                else:
                    counts[r, clipped_slot] += clipped
        else:
            for i in range(count):
                read_vector(counts[r], state, r, x, out, t0 + i, 0, keys[:, i], stream, levels, kind, scratch)
        q += count


def note_vectors(
    notes: Any, x: Any, r: Any, t0: Any, count: Any, keys: Any, levels: Any, managed: Any, devices: Any
) -> None:
    """Write keys, and noise, bound and step in the scale of each vector, into the lanes of a tile."""
    words, flags = notes.view(np.uint32), notes.view(np.int32)
    for i in range(count):
        scale = largest(x[r, np.uintp(t0 + i)]) if managed else ONE
        words[np.uintp(KEY_0 + i)], words[np.uintp(KEY_1 + i)] = keys[0, np.uintp(i)], keys[1, np.uintp(i)]
        notes[np.uintp(NOISE + i)] = scale * levels[0]
        notes[np.uintp(BOUND + i)] = scale * levels[1] if scale > ZERO else ZERO
        notes[np.uintp(STEP + i)] = scale * levels[4]
        notes[np.uintp(SHARE + i)] = ONE / np.float32(devices) if scale > ZERO else ZERO
    for i in range(TILE):
        flags[np.uintp(CLIPPED + i)] = np.int32(0)
        flags[np.uintp(BAD + i)] = np.int32(0)


def answer_tile(raw: Any, notes: Any, lines: Any, count: Any, levels: Any) -> None:
    """The output stage of a tile: noise, clip, rounding in place; counts what was clipped or is no number."""
    words, flags = notes.view(np.uint32), notes.view(np.int32)
    lanes = (count + 15) // 16 * 16
    noisy, rounded = levels[0] > ZERO, levels[4] > ZERO
    for p in range(lines):
        if noisy:
            for lane in range(lanes):
                at = np.uintp(p * TILE + lane)
                bits = mix(np.uint32(p), words[np.uintp(KEY_0 + lane)], words[np.uintp(KEY_1 + lane)])
                raw[at] += notes[np.uintp(NOISE + lane)] * normal(bits)
        for lane in range(lanes):
            at, bound = np.uintp(p * TILE + lane), notes[np.uintp(BOUND + lane)]
            v = raw[at]
            kept = min(max(v, -bound), bound)
            flags[np.uintp(CLIPPED + lane)] += np.int32(kept != v)
            flags[np.uintp(BAD + lane)] += np.int32(not (abs(v) <= LARGEST))
            raw[at] = kept
        if rounded:
            for lane in range(count):
                at, step = np.uintp(p * TILE + lane), notes[np.uintp(STEP + lane)]
                raw[at] = np.rint(raw[at] / step) * step if step > ZERO else ZERO


def write_tile(out: Any, raw: Any, notes: Any, r: Any, t0: Any, count: Any, devices: Any) -> None:
    """Average the devices of each output of a tile."""
    vectors, rows = out.shape[1], out.shape[2]
    for p in range(rows):
        for lane in range(TILE):
            at = np.uintp(p * TILE + lane)
            total = raw[at]
            for copy in range(1, devices):
                total += raw[at + np.uintp(copy * rows * TILE)]
            raw[at] = total * notes[np.uintp(SHARE + lane)]
    answers, first = out.reshape(-1), (r * vectors + t0) * rows
    if WIDE:
        for t in range(0, count, LANES):
            for p in range(0, rows, LANES):
                down, across = min(LANES, rows - p), min(LANES, count - t)
                turn(answers, first + t * rows + p, rows, down, raw, p * TILE + t, TILE, down, across)
        return
    for t in range(count):
        for p in range(rows):
            answers[np.uintp(first + t * rows + p)] = raw[np.uintp(p * TILE + t)]


def read_vector(
    counts: Any,
    state: Any,
    r: Any,
    x: Any,
    out: Any,
    t: Any,
    done: Any,
    keys: Any,
    stream: Any,
    levels: Any,
    kind: Any,
    scratch: Any,
) -> None:
    """Read one vector, with lanes over outputs; `done` halvings of bound management lie behind it."""
    backward, noise_management, halvings, clipped_slot, halvings_slot = kind
    line, seen, driven, scaled = scratch
    inputs, outputs = x[r, np.uintp(t)], out[r, np.uintp(t)]
    size = state.shape[2] if backward else state.shape[1]
    rows = inputs.shape[0] if backward else outputs.shape[0]
    devices = state.shape[1] // rows
    linear = levels[2] > LARGEST and levels[3] == ZERO
    scale = largest(inputs) if noise_management else ONE
    if scale == ZERO:
        for i in range(outputs.shape[0]):
            outputs[np.uintp(i)] = ZERO
        return
    for _ in range(done):
        scale = scale * np.float32(2.0)
    if linear:
        products(line, state, r, inputs, backward, driven)
    clipped = 0
    direct = backward or devices == 1  # then each answer is an output
    for halving in range(done, halvings + 1):
        factor = scale
        if not linear:
            counts[NOT_FINITE] += scale_input(scaled, inputs, scale, levels)
            products(line, state, r, scaled, backward, driven)
            factor = ONE
        k0, k1 = keys[0], keys[1]
        if halving > 0:
            words = vector_keys(stream[0], stream[1], np.uint64(stream[2] + np.uint64(t)), np.uint32(halving))
            k0, k1 = words[0], words[1]
        clipped, bad = answer(outputs if direct else seen, line, size, factor, levels, k0, k1)
        counts[NOT_FINITE] += bad
        if clipped == 0 or halving == halvings:
            break
        counts[halvings_slot] += 1
        scale = scale * np.float32(2.0)
    counts[clipped_slot] += clipped
    share = (ONE if linear else scale) / np.float32(devices)
    if direct:
        if share != ONE:
            for i in range(size):
                outputs[np.uintp(i)] *= share
    else:
        for i in range(rows):
            total = seen[np.uintp(i)]
            for copy in range(1, devices):
                total += seen[np.uintp(copy * rows + i)]
            outputs[np.uintp(i)] = total * share


def products(line: Any, state: Any, r: Any, inputs: Any, backward: Any, driven: Any) -> None:
    """The sums of one vector."""
    if backward:
        column_outputs(line, state, r, inputs, driven)
    else:
        row_outputs(line, state, r, inputs)


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


def answer(seen: Any, line: Any, size: Any, scale: Any, levels: Any, k0: Any, k1: Any) -> Any:
    """The output stage of one vector: noise, clip and rounding in the scale of the vector.

    Returns how many outputs were clipped, and how many are no number.
    """
    noise, bound, step = scale * levels[0], scale * levels[1], scale * levels[4]
    clipped, bad = np.int32(0), np.int32(0)
    if noise > ZERO:
        for i in range(size):
            at = np.uintp(i)
            v = line[at] + noise * normal(mix(np.uint32(i), k0, k1))
            kept = min(max(v, -bound), bound)
            clipped = np.int32(clipped + np.int32(kept != v))
            bad = np.int32(bad + np.int32(not (abs(v) <= LARGEST)))
            seen[at] = kept
    else:
        for i in range(size):
            at = np.uintp(i)
            v = line[at]
            kept = min(max(v, -bound), bound)
            clipped = np.int32(clipped + np.int32(kept != v))
            bad = np.int32(bad + np.int32(not (abs(v) <= LARGEST)))
            seen[at] = kept
    if step > ZERO:
        for i in range(size):
            seen[np.uintp(i)] = np.rint(seen[np.uintp(i)] / step) * step
    return clipped, bad
