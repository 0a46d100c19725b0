"""One read of an array, forward or backward, with all that its periphery does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import BLOCK_GROUPS
from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.bits import tile_keys
from mho.kernels.cpu.products import BLOCK_LANES, column_outputs, many_outputs, row_outputs
from mho.kernels.cpu.trains import largest
from mho.random import mix, normal, vector_keys

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LARGEST = np.float32(3.4028235e38)
CHUNK = 64  # vectors whose keys are drawn together
FEW = 4  # vectors below which each has its products by itself
LANES = 16
SPARSE = 3  # backward, vectors in which fewer than one in so many values is driven have their products by themselves


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
    outputs, terms = (columns, lines) if backward else (lines, columns)
    padded = (outputs + LANES - 1) // LANES * LANES  # whole vectors, and whole groups of a block
    chunk = CHUNK if vectors >= FEW else 1
    raw = np.empty(chunk * padded, np.float32)
    panel = np.empty(terms * BLOCK_GROUPS * BLOCK_LANES if chunk > 1 else 1, np.float32)
    seen, driven = np.empty(padded, np.float32), np.empty(lines, np.uintp)
    scaled, scales = np.empty((1, chunk, width), np.float32), np.empty(chunk, np.float32)
    keys = np.empty((4, chunk), np.uint32)
    for i in range(raw.shape[0]):
        raw[np.uintp(i)] = ZERO
    kind = (backward, noise_management, halvings, clipped_slot, halvings_slot)
    scratch = (raw, padded, panel, seen, driven, scaled, scales, keys)
    read_vectors(start, stop, counts, state, x, out, streams, first, all_levels, kind, scratch)


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
    scratch: Any,
) -> None:
    """The loop over vectors, apart from the kernel: only helpers are free of Numba's reference counts."""
    raw, padded, panel, seen, driven, scaled, scales, keys = scratch
    backward, noise_management = kind[0], kind[1]
    vectors, width = x.shape[1], x.shape[2]
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(scales.shape[0], vectors - t0, stop - q)
        levels, stream = all_levels[r], (streams[r, 0], streams[r, 1], np.uint64(first))
        tile_keys(keys, stream[0], stream[1], np.uint64(stream[2] + np.uint64(t0)), 0, count, np.uint32(0))
        linear = levels[2] > LARGEST and levels[3] == ZERO
        for i in range(count):
            at, inputs = np.uintp(i), x[r, np.uintp(t0 + i)]
            scales[at] = largest(inputs) if noise_management else ONE
            if not linear and scales[at] != ZERO:
                counts[r, NOT_FINITE] += scale_input(scaled[0, at], inputs, scales[at], levels)
        sent, begin = (x, q * width) if linear else (scaled, 0)
        summed = count >= FEW
        if summed and backward:
            summed = SPARSE * driven_values(sent.reshape(-1), begin, count * width) > count * width
        if summed:
            many_outputs(raw, panel, state, np.intp(r), sent, begin, count, backward, padded)
        for i in range(count):
            line = raw[i * padded : (i + 1) * padded] if summed else raw[:padded]
            own = (line, seen, driven, scaled[0, np.uintp(i)])
            read_vector(
                counts[r], state, r, x, out, t0 + i, scales[np.uintp(i)], keys[:, i], stream, levels, kind, own, summed
            )
        q += count


def driven_values(values: Any, begin: Any, size: Any) -> Any:
    """How many of values[begin : begin + size] are not 0."""
    found = np.int32(0)
    for i in range(size):
        found = np.int32(found + np.int32(values[np.uintp(begin + i)] != ZERO))
    return found


def read_vector(
    counts: Any,
    state: Any,
    r: Any,
    x: Any,
    out: Any,
    t: Any,
    scale: Any,
    keys: Any,
    stream: Any,
    levels: Any,
    kind: Any,
    scratch: Any,
    summed: Any,
) -> None:
    """Read one vector of this scale; `summed`: whether its sums lie in the line already."""
    backward, _, halvings, clipped_slot, halvings_slot = kind
    line, seen, driven, scaled = scratch
    inputs, outputs = x[r, np.uintp(t)], out[r, np.uintp(t)]
    size = state.shape[2] if backward else state.shape[1]
    rows = inputs.shape[0] if backward else outputs.shape[0]
    devices = state.shape[1] // rows
    linear = levels[2] > LARGEST and levels[3] == ZERO
    if scale == ZERO:
        for i in range(outputs.shape[0]):
            outputs[np.uintp(i)] = ZERO
        return
    if not summed:
        products(line, state, r, inputs if linear else scaled, backward, driven)
    clipped = 0
    for halving in range(halvings + 1):
        k0, k1 = keys[0], keys[1]
        if halving > 0:
            words = vector_keys(stream[0], stream[1], np.uint64(stream[2] + np.uint64(t)), np.uint32(halving))
            k0, k1 = words[0], words[1]
            if not linear:
                counts[NOT_FINITE] += scale_input(scaled, inputs, scale, levels)
                products(line, state, r, scaled, backward, driven)
        clipped, bad = answer(seen, line, size, scale if linear else ONE, levels, k0, k1)
        counts[NOT_FINITE] += bad
        if clipped == 0 or halving == halvings:
            break
        counts[halvings_slot] += 1
        scale = scale * np.float32(2.0)
    counts[clipped_slot] += clipped
    share = (ONE if linear else scale) / np.float32(devices)
    for i in range(outputs.shape[0]):
        total = seen[np.uintp(i)]
        for copy in range(1, 1 if backward else devices):
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

    Both arrays have room for whole vectors of LANES. Returns how many of the first `size` outputs were clipped, and how
    many are no number.
    """
    noise, bound, step = scale * levels[0], scale * levels[1], scale * levels[4]
    clipped, bad = np.int32(0), np.int32(0)
    full = (size + LANES - 1) // LANES * LANES
    limit = np.int32(size)
    if noise > ZERO:
        for i in range(full):
            at = np.uintp(i)
            v = line[at] + noise * normal(mix(np.uint32(i), k0, k1))
            kept = min(max(v, -bound), bound)
            clipped = np.int32(clipped + np.int32((kept != v) & (np.int32(i) < limit)))
            bad = np.int32(bad + np.int32((not (abs(v) <= LARGEST)) & (np.int32(i) < limit)))
            seen[at] = kept
    else:
        for i in range(full):
            at = np.uintp(i)
            v = line[at]
            kept = min(max(v, -bound), bound)
            clipped = np.int32(clipped + np.int32((kept != v) & (np.int32(i) < limit)))
            bad = np.int32(bad + np.int32((not (abs(v) <= LARGEST)) & (np.int32(i) < limit)))
            seen[at] = kept
    if step > ZERO:
        for i in range(full):
            seen[np.uintp(i)] = np.rint(seen[np.uintp(i)] / step) * step
    return clipped, bad
