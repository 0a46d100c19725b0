"""The update cycle of a device law: every coincidence moves its cross-point, bounds kept in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import BOUND_HITS, COINCIDENCES, NOT_FINITE
from mho.kernels.cpu.bits import popcount, tile_keys
from mho.kernels.law import cell_at, pulse, pulses, reach
from mho.random import mix, normal, vector_keys

LISTED = 512  # cross-points moved together: their lists stay in the first-level cache

# Set by the law.
CLOSED_FORM = True
SLOTS = 3
W_MAX = LISTED
W_MIN = 2 * LISTED

# Rows of the list of coincidences.
CELL = 0
BITS = 1
UP = 2
VECTOR = 3
KEY_0 = 4
KEY_1 = 5
OUTCOME = 6
# What an outcome counts: three numbers of up to LISTED in one word, so that one sum finds all of them.
STUCK = np.uint32(1)
HIT = np.uint32(1 << 10)
BAD = np.uint32(1 << 20)
NONE = np.uint32(0)
COUNT = np.uint32(1023)


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
    (field, 3) for replica, row and column (a field without spread has strides (16, 0, 0)); words and
    signs as `trains` writes them; streams (R, 2); first: number of the first vector.
    """
    lines, columns, vectors = state.shape[1], state.shape[2], d_words.shape[2]
    lanes = np.zeros(SLOTS * LISTED, np.float32)
    items = np.zeros((7, LISTED), np.uint32)
    hits = np.empty(2 * LISTED, np.uint64)
    listed_in = np.empty(columns, np.int64)
    active = np.empty(vectors, np.uintp)
    keys = np.empty((4, vectors), np.uint32)
    scratch = (lanes, items, hits, listed_in, active, keys)
    q = start
    while q < stop:
        r, p = q // lines, q % lines
        end = min(lines, p + stop - q)
        words, signs = (x_words[r], d_words[r]), (x_down[r], d_down[r])
        stream = (streams[r, 0], streams[r, 1], np.uint64(first))
        update_lines(p, end, r, counts[r], state[r].reshape(-1), fields, strides, words, signs, stream, scratch)
        q += end - p


def update_lines(
    start: Any,
    stop: Any,
    r: Any,
    counts: Any,
    weights: Any,
    fields: Any,
    strides: Any,
    words: Any,
    signs: Any,
    stream: Any,
    scratch: Any,
) -> None:
    """Lines `start` to `stop` of one replica, its weights flat.

    Coincidences are listed, and the cross-points of a list moved together in full vectors: 1.1 to 3.9 times
    faster on LeNet than whole blocks of columns, of which one in six coincides. No list holds a cross-point
    twice, so each meets its vectors in order.
    """
    lanes, items, hits, listed_in, active, keys = scratch
    columns, vectors = listed_in.shape[0], active.shape[0]
    blocks = (columns + LISTED - 1) // LISTED
    tile_keys(keys, stream[0], stream[1], stream[2], vectors, np.uint32(1))
    found, number = 0, 0
    listed_in[:] = number
    for p in range(start, stop):
        number += 1
        d_words, d_down = words[1][np.uintp(p)], signs[1][np.uintp(p)]
        driven = 0
        for t in range(vectors):
            active[np.uintp(driven)] = np.uintp(t)
            driven += d_words[np.uintp(t)] != 0
        count = 0
        for b in range(driven * blocks):
            t, j0 = active[np.uintp(b // blocks)], b % blocks * LISTED
            count = find_hits(hits, count, t, j0, min(j0 + LISTED, columns), words[0][t], d_words[t])
            if count <= LISTED and b + 1 < driven * blocks:
                continue
            for i in range(count):
                t, j = np.uintp(hits[np.uintp(i)] >> np.uint64(32)), np.uintp(hits[np.uintp(i)] & np.uint64(0xFFFFFFFF))
                if listed_in[j] == number or found == LISTED:
                    move(found, lanes, items, r, counts, weights, fields, strides, stream)
                    found = 0
                    number += 1
                listed_in[j] = number
                at = np.uintp(found)
                items[CELL, at] = np.uint32(np.uint32(p * columns) + np.uint32(j))
                items[BITS, at] = np.uint32(words[0][t, j] & d_words[t])
                items[UP, at] = np.uint32(signs[0][t, j] == d_down[t])
                items[VECTOR, at] = np.uint32(t)
                items[KEY_0, at], items[KEY_1, at] = keys[0, t], keys[1, t]
                found += 1
            count = 0
    move(found, lanes, items, r, counts, weights, fields, strides, stream)


def find_hits(hits: Any, count: Any, t: Any, start: Any, stop: Any, row: Any, word: Any) -> Any:
    """Append (t, column) for columns that pulse in a slot of `word`; returns the new end.

    Without a branch, whose outcome no machine could guess: one cycle a column.
    """
    for j in range(start, stop):
        hits[np.uintp(count)] = (np.uint64(t) << np.uint64(32)) | np.uint64(j)
        count += (row[np.uintp(j)] & word) != 0
    return count


def move(
    found: Any, lanes: Any, items: Any, r: Any, counts: Any, weights: Any, fields: Any, strides: Any, stream: Any
) -> None:
    """Apply the listed coincidences to their cross-points, no two of them the same."""
    cells, bits, ups, outcomes = items[CELL], items[BITS], items[UP], items[OUTCOME]
    low_keys, high_keys = items[KEY_0], items[KEY_1]
    load_lanes(lanes, cells, found, r, weights, fields, strides)
    full = (found + 7) // 8 * 8
    for i in range(found, full):
        bits[np.uintp(i)] = np.uint32(0)
    for i in range(full):
        at = np.uintp(i)
        n = popcount(bits[at])
        outcome = STUCK if n > 0 else NONE
        if CLOSED_FORM:
            w, low, high = lanes[at], lanes[np.uintp(W_MIN + i)], lanes[np.uintp(W_MAX + i)]
            up = ups[at] != 0
            count = np.float32(np.int32(n))
            here = cell_at(lanes, at)
            far = min(high - w, w - low) > reach(count, up, here)
            new = pulses(w, count, up, here, normal(mix(cells[at], low_keys[at], high_keys[at])))
            fast = (n == 1) | ((n > 1) & far)
            outcome = BAD if fast & (new != new) else NONE
            new = new if new == new else w
            kept = min(max(new, low), high)
            outcome = np.uint32(outcome + (HIT if fast & (kept != new) else NONE))
            outcome = np.uint32(outcome + (STUCK if (n > 1) & (not far) else NONE))
            lanes[at] = kept if fast else w
        outcomes[at] = outcome
    total, coincidences = np.uint32(0), np.uint32(0)
    for i in range(full):
        total = np.uint32(total + outcomes[np.uintp(i)])
        coincidences = np.uint32(coincidences + popcount(bits[np.uintp(i)]))
    counts[COINCIDENCES] += coincidences
    counts[BOUND_HITS] += (total // HIT) & COUNT
    counts[NOT_FINITE] += total // BAD
    if total & COUNT != 0:
        for i in range(found):
            if outcomes[np.uintp(i)] & COUNT != 0:
                pulse_by_pulse(lanes, i, items, stream, counts)
    for i in range(found):
        weights[np.uintp(cells[np.uintp(i)])] = lanes[np.uintp(i)]


def pulse_by_pulse(lanes: Any, lane: Any, items: Any, stream: Any, counts: Any) -> None:
    """Apply the pulses of one cell, each with its own normal, clipped to the bounds after each."""
    at = np.uintp(lane)
    w, low, high = lanes[at], lanes[np.uintp(W_MIN + lane)], lanes[np.uintp(W_MAX + lane)]
    here, up = cell_at(lanes, at), items[UP, at] != 0
    vector = np.uint64(stream[2] + np.uint64(items[VECTOR, at]))
    for k in range(popcount(items[BITS, at])):
        words = vector_keys(stream[0], stream[1], vector, np.uint32(1 + k))
        new = np.float32(pulse(w, up, here, normal(mix(items[CELL, at], words[0], words[1]))))
        if new != new:
            counts[NOT_FINITE] += 1
            new = w
        w = min(max(new, low), high)
        counts[BOUND_HITS] += w != new
    lanes[at] = w


def load_lanes(lanes: Any, cells: Any, found: Any, r: Any, weights: Any, fields: Any, strides: Any) -> None:
    """Gather weights and fields of the listed cells."""
    for i in range(found):
        lanes[np.uintp(i)] = weights[np.uintp(cells[np.uintp(i)])]
    for f in range(SLOTS - 1):
        field, slot = fields[f], LISTED * (1 + f)
        base, step = np.uintp(r * strides[f, 0]), np.uintp(strides[f, 2])
        for i in range(found):
            lanes[np.uintp(slot + i)] = field[base + np.uintp(cells[np.uintp(i)]) * step]
