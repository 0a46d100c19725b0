"""The update cycle of a device law: every coincidence moves its cross-point, bounds kept in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import BOUND_HITS, COINCIDENCES, NOT_FINITE
from mho.kernels.cpu.bits import popcount, tile_keys
from mho.kernels.law import cell_at, pulse, pulses, reach
from mho.random import ONE, mix, normal, vector_keys

# Set by the law.
CLOSED_FORM = True
SLOTS = 4
W_MAX = 32
W_MIN = 48

SLOW = 16
ZERO = np.float32(0.0)


def update(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    fields: Any,
    strides: Any,
    x_words: Any,
    x_down: Any,
    d_words: Any,
    d_down: Any,
    streams: Any,
    first: Any,
) -> None:
    """Apply the vectors' trains, one vector after another, to lines `start` to `stop` of R·P.

    state (R, P, N) float32; fields: one flat float32 array for each field of the law, with strides
    (field, 3) for replica, row and block (a field without spread has strides (16, 0, 0)); words and
    signs as `trains` writes them; streams (R, 2); first: number of the first vector.

    16 columns are held in a block of lanes while the loop runs over the vectors, so each weight is
    loaded and stored once. A row without a pulse skips its vector, a block without a
    coincidence its arithmetic.
    """
    lines, columns, vectors = state.shape[1], state.shape[2], d_words.shape[2]
    lanes = np.zeros(16 * SLOTS, np.float32)
    active = np.empty(vectors, np.uintp)
    keys = np.empty((4, vectors), np.uint32)
    keyed = -1
    for q in range(start, stop):
        r, p = q // lines, q % lines
        replica, line = np.uintp(r), np.uintp(p)
        found = 0
        for t in range(vectors):
            if d_words[replica, line, np.uintp(t)] != 0:
                active[np.uintp(found)] = np.uintp(t)
                found += 1
        if found == 0:
            continue
        if keyed != r:
            keyed = r
            tile_keys(keys, streams[replica, 0], streams[replica, 1], np.uint64(first), vectors, np.uint32(1))
        for j0 in range(0, columns, 16):
            width = min(16, columns - j0)
            cell = np.uint32(p * columns + j0)
            loaded = False
            for a in range(found):
                t = active[np.uintp(a)]
                word = d_words[replica, line, t]
                bits = x_words[replica, t, np.uintp(j0) : np.uintp(j0 + 16)]
                any_bits = np.uint32(0)
                for lane in range(16):
                    any_bits |= np.uint32(bits[np.uintp(lane)] & word)
                if any_bits == 0:
                    continue
                if not loaded:
                    load_lanes(lanes, state, fields, strides, r, p, j0, width)
                    loaded = True
                down = d_down[replica, line, t]
                signs = x_down[replica, t, np.uintp(j0) : np.uintp(j0 + 16)]
                k0, k1 = keys[0, t], keys[1, t]
                # 32-bit sums: a 64-bit one would halve the lanes of the whole loop
                slow, hits, coincidences, bad = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
                for lane in range(16):
                    at = np.uintp(lane)
                    n = popcount(np.uint32(bits[at] & word))
                    coincidences = np.int32(coincidences + np.int32(n))
                    stuck = n > 0
                    if CLOSED_FORM:
                        w, low, high = lanes[at], lanes[np.uintp(W_MIN + lane)], lanes[np.uintp(W_MAX + lane)]
                        up = signs[at] == down
                        count = np.float32(np.int32(n))
                        z = normal(mix(np.uint32(cell + np.uint32(lane)), k0, k1))
                        here = cell_at(lanes, at)
                        far = min(high - w, w - low) > reach(count, up, here)
                        new = pulses(w, count, up, here, z)
                        fast = (n == 1) | ((n > 1) & far)
                        bad = np.int32(bad + np.int32(fast & (new != new)))
                        new = new if new == new else w
                        kept = min(max(new, low), high)
                        stuck = (n > 1) & (not far)
                        hits = np.int32(hits + np.int32(fast & (kept != new)))
                        lanes[at] = kept if fast else w
                    lanes[np.uintp(SLOW + lane)] = ONE if stuck else ZERO
                    slow = np.int32(slow + np.int32(stuck))
                if slow > 0:
                    stream = (streams[replica, 0], streams[replica, 1], np.uint64(first) + np.uint64(t))
                    for lane in range(16):
                        if lanes[np.uintp(SLOW + lane)] != ZERO:
                            n = popcount(np.uint32(bits[np.uintp(lane)] & word))
                            up = signs[np.uintp(lane)] == down
                            number = np.uint32(cell + np.uint32(lane))
                            pulse_by_pulse(lanes, lane, n, up, number, stream, counts, replica)
                counts[replica, COINCIDENCES] += coincidences
                counts[replica, BOUND_HITS] += hits
                counts[replica, NOT_FINITE] += bad
            if loaded:
                for lane in range(width):
                    state[replica, line, np.uintp(j0 + lane)] = lanes[np.uintp(lane)]


def pulse_by_pulse(lanes: Any, lane: Any, n: Any, up: Any, number: Any, stream: Any, counts: Any, replica: Any) -> None:
    """Apply n pulses to one cell, each with its own normal, clipped to the bounds after each."""
    w = lanes[np.uintp(lane)]
    low, high = lanes[np.uintp(W_MIN + lane)], lanes[np.uintp(W_MAX + lane)]
    here = cell_at(lanes, np.uintp(lane))
    for k in range(n):
        words = vector_keys(stream[0], stream[1], stream[2], np.uint32(1 + k))
        new = np.float32(pulse(w, up, here, normal(mix(number, words[0], words[1]))))
        if new != new:
            counts[replica, NOT_FINITE] += 1
            new = w
        w = min(max(new, low), high)
        counts[replica, BOUND_HITS] += w != new
    lanes[np.uintp(lane)] = w


def load_lanes(lanes: Any, state: Any, fields: Any, strides: Any, r: Any, p: Any, j0: Any, width: Any) -> None:
    """Copy a block's weights and fields to its lanes; lanes past the last column repeat it."""
    row = state[np.uintp(r), np.uintp(p)]
    if width == 16:
        for lane in range(16):
            lanes[np.uintp(lane)] = row[np.uintp(j0 + lane)]
    else:
        for lane in range(16):
            lanes[np.uintp(lane)] = row[np.uintp(j0 + min(lane, width - 1))]
    for f in range(SLOTS - 2):
        field = fields[f]
        step = strides[f, 2]
        base = r * strides[f, 0] + p * strides[f, 1] + j0 * step
        slot = 16 * (2 + f)
        if width == 16 or step == 0:
            for lane in range(16):
                lanes[np.uintp(slot + lane)] = field[np.uintp(base + lane)]
        else:
            for lane in range(16):
                lanes[np.uintp(slot + lane)] = field[np.uintp(base + min(lane, width - 1))]
