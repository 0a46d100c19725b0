"""Listed coincidences move their cross-points: once by one pulse, several times by a closed form or pulse by pulse."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.law import ROOM, cell_at, pulses, reach
from mho.kernels.counts import BOUND_HITS, COINCIDENCES, NOT_FINITE
from mho.kernels.cpu.bits import popcount
from mho.kernels.cpu.cell import (
    accepts_pulse,
    holds,
    keep_states,
    moved,
    moves_up,
    next_states,
    states_at,
    written,
)
from mho.kernels.cpu.cell import draw_one as draw
from mho.kernels.cpu.cell import step_plain as step
from mho.kernels.cpu.lists import take, take_fours
from mho.random import BLOCKS_A_WORD, mix, normal, vector_keys

FEW = 4  # where fewer than one in so many of a list has another pulse, cross-points are moved one by one

# Set by the device's model.
CLOSED_FORM = True
FIELDS = 2
W_MAX = ROOM
W_MIN = 2 * ROOM
WRITTEN = 0  # where the weight is that pulses move: with write noise not the one that is read
HIDDEN = 0  # lanes of what reads do not see: the written weight, then the hidden states of the law
SLOTS = 3

NEGATIVE = np.uint32(0x80000000)
INDEX = np.uint32(0x7FFFFFFF)

# What is noted of each coincidence, side by side in one array of words.
CELL = 0
BITS = 928
KEY_0 = 1856
KEY_1 = 2784
VECTOR = 3712
NOTES = 5
LEFT = 4640
ASIDE = 5568
ASIDE_BITS = 6496
PULSE_KEY_0 = 7424
PULSE_KEY_1 = 8352
ITEMS = 9280


def move(counts: Any, found: Any, cells: Any, stream: Any, scratch: Any) -> None:
    """Apply the listed coincidences to their cross-points, no two of them the same."""
    lanes, items = scratch[0], scratch[1]
    r, weights = cells[0], cells[1]
    full = (found + 15) // 16 * 16
    for i in range(found, full):
        items[np.uintp(CELL + i)], items[np.uintp(BITS + i)] = np.uint32(0), np.uint32(0)
    load_lanes(lanes, items, full, cells)
    coincidences, several = move_single(counts, lanes, items, full, cells)
    counts[COINCIDENCES] += coincidences
    if several > 0:
        if 4 * several > found:
            merge(counts, lanes, items, found, cells)
            left_by_pulses(lanes, items, found, stream, counts, cells)
        else:
            move_several(counts, lanes, items, found, stream, scratch, cells)
    for i in range(found):
        weights[np.uintp(items[np.uintp(CELL + i)] & INDEX)] = lanes[np.uintp(i)]
    for k in range(HIDDEN):
        base = (r * HIDDEN + k) * weights.size
        for i in range(found):
            cell = np.uintp(items[np.uintp(CELL + i)] & INDEX)
            cells[4][np.uintp(base) + cell] = lanes[np.uintp(ROOM * (1 + FIELDS + k) + i)]


def move_single(counts: Any, lanes: Any, items: Any, full: Any, cells: Any) -> Any:
    """Move the cross-points that coincide once; returns all coincidences, and how many coincide more often.

    Most coincide once, and one pulse needs neither a root nor a look at how far several would reach.
    """
    hits, bad, several, coincidences = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for i in range(full):
        at = np.uintp(i)
        w, low, high = lanes[np.uintp(WRITTEN + i)], lanes[np.uintp(W_MIN + i)], lanes[np.uintp(W_MAX + i)]
        h = states_at(lanes, i)
        cell, key_0, key_1 = items[np.uintp(CELL + i)], items[np.uintp(KEY_0 + i)], items[np.uintp(KEY_1 + i)]
        index = np.uint32(cell & INDEX)
        here, up = cell_at(lanes, at, cells[5], cells[0], index), cell < NEGATIVE
        bits = items[np.uintp(BITS + i)] if accepts_pulse(up, here) else np.uint32(0)
        items[np.uintp(BITS + i)] = bits
        n = np.int32(popcount(bits))
        answer, state = step(w, h, moves_up(up, here), here, draw(index, key_0, key_1))
        new = np.float32(answer)
        sound = moved(new if new == new else w, w, here)
        kept = min(max(sound, low), high)
        keep_states(lanes, i, next_states(state, h, (n == 1) & (not holds(here))))
        if WRITTEN > 0:
            shown = moved(np.float32(written(kept, here, index, key_0, key_1)), lanes[at], here)
            lanes[at] = shown if n == 1 else lanes[at]
        lanes[np.uintp(WRITTEN + i)] = kept if n == 1 else w
        hits = np.int32(hits + np.int32((n == 1) & (kept != sound)))
        bad = np.int32(bad + np.int32((n == 1) & (new != new)))
        several = np.int32(several + np.int32(n > 1))
        coincidences = np.int32(coincidences + n)
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad
    return coincidences, several


def move_several(
    counts: Any, all_lanes: Any, all_items: Any, found: Any, stream: Any, scratch: Any, cells: Any
) -> None:
    """Move the cross-points that coincide more than once: by the closed form away from bounds, else by each pulse.

    Where they are few, they are put together first.
    """
    lanes, items, places = scratch[3], scratch[4], scratch[5]
    several = 0
    for i in range(found):
        bits = all_items[np.uintp(BITS + i)]
        places[np.uintp(several)] = i
        several += (bits & np.uint32(bits - np.uint32(1))) != 0
    for k in range(several):
        i = places[np.uintp(k)]
        for slot in range(SLOTS):
            lanes[np.uintp(slot * ROOM + k)] = all_lanes[np.uintp(slot * ROOM + i)]
        for note in range(NOTES):
            items[np.uintp(note * ROOM + k)] = all_items[np.uintp(note * ROOM + i)]
    merge(counts, lanes, items, several, cells)
    left_by_pulses(lanes, items, several, stream, counts, cells)
    for k in range(several):
        all_lanes[np.uintp(places[np.uintp(k)])] = lanes[np.uintp(k)]
        for slot in range(1 + FIELDS, SLOTS):
            all_lanes[np.uintp(ROOM * slot + places[np.uintp(k)])] = lanes[np.uintp(ROOM * slot + k)]


def left_by_pulses(lanes: Any, items: Any, found: Any, stream: Any, counts: Any, cells: Any) -> None:
    """Move what the closed form left, pulse by pulse: all cross-points by one, as long as it concerns many of them."""
    pulse, active = 0, 0
    for i in range(found):
        active += items[np.uintp(LEFT + i)] != 0
    while active > 0:
        if FEW * active < found:
            for i in range(found):
                if items[np.uintp(LEFT + i)] != 0 and pulse < popcount(items[np.uintp(BITS + i)]):
                    pulse_by_pulse(lanes, i, pulse, items, stream, counts, cells)
            return
        keys_of_pulse(items, found, pulse, stream)
        active = move_by_one(counts, lanes, items, found, pulse, cells)
        pulse += 1


def keys_of_pulse(items: Any, found: Any, pulse: Any, stream: Any) -> None:
    """Note the keys of a pulse of each listed cross-point; neighbours in a list are mostly of the same vector."""
    last, trains_a_vector = np.int64(-1), stream[3]
    key_0, key_1 = np.uint32(0), np.uint32(0)
    for i in range(found):
        train = np.int64(items[np.uintp(VECTOR + i)])
        if train != last:
            vector = np.uint64(stream[2] + np.uint64(train // trains_a_vector))
            block = 1 + BLOCKS_A_WORD * (train % trains_a_vector)
            words = vector_keys(stream[0], stream[1], vector, np.uint32(block + pulse))
            key_0, key_1 = words[0], words[1]
            last = train
        items[np.uintp(PULSE_KEY_0 + i)] = key_0
        items[np.uintp(PULSE_KEY_1 + i)] = key_1


def move_by_one(counts: Any, lanes: Any, items: Any, found: Any, pulse: Any, cells: Any) -> Any:
    """Apply the pulse of this number to the cross-points left that have it; returns how many have a further one."""
    hits, bad, more = np.int32(0), np.int32(0), np.int32(0)
    number = np.int32(pulse)
    for i in range(found):
        at = np.uintp(i)
        w, low, high = lanes[np.uintp(WRITTEN + i)], lanes[np.uintp(W_MIN + i)], lanes[np.uintp(W_MAX + i)]
        h = states_at(lanes, i)
        cell, n = items[np.uintp(CELL + i)], np.int32(popcount(items[np.uintp(BITS + i)]))
        key_0, key_1 = items[np.uintp(PULSE_KEY_0 + i)], items[np.uintp(PULSE_KEY_1 + i)]
        index = np.uint32(cell & INDEX)
        here = cell_at(lanes, at, cells[5], cells[0], index)
        left = items[np.uintp(LEFT + i)] != 0
        now = left & (number < n)
        answer, state = step(w, h, moves_up(cell < NEGATIVE, here), here, draw(index, key_0, key_1))
        new = np.float32(answer)
        sound = moved(new if new == new else w, w, here)
        kept = min(max(sound, low), high)
        keep_states(lanes, i, next_states(state, h, now & (not holds(here))))
        if WRITTEN > 0:
            shown = moved(np.float32(written(kept, here, index, key_0, key_1)), lanes[at], here)
            lanes[at] = shown if now else lanes[at]
        lanes[np.uintp(WRITTEN + i)] = kept if now else w
        hits = np.int32(hits + np.int32(now & (kept != sound)))
        bad = np.int32(bad + np.int32(now & (new != new)))
        more = np.int32(more + np.int32(left & (np.int32(number + np.int32(1)) < n)))
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad
    return more


def merge(counts: Any, lanes: Any, items: Any, found: Any, cells: Any) -> None:
    """Move by the closed form what coincides more than once and has no bound within reach; note what is left."""
    if not CLOSED_FORM:
        for i in range(found):
            bits = items[np.uintp(BITS + i)]
            items[np.uintp(LEFT + i)] = np.uint32(bits & np.uint32(bits - np.uint32(1)))
        return
    hits, bad = np.int32(0), np.int32(0)
    for i in range(found):
        at = np.uintp(i)
        w, low, high = lanes[np.uintp(WRITTEN + i)], lanes[np.uintp(W_MIN + i)], lanes[np.uintp(W_MAX + i)]
        cell, n = items[np.uintp(CELL + i)], np.int32(popcount(items[np.uintp(BITS + i)]))
        key_0, key_1, index = items[np.uintp(KEY_0 + i)], items[np.uintp(KEY_1 + i)], np.uint32(cell & INDEX)
        here, count = cell_at(lanes, at, cells[5], cells[0], index), np.float32(n)
        up = moves_up(cell < NEGATIVE, here)
        far = (n > 1) & (min(high - w, w - low) > reach(count, up, here))
        new = np.float32(pulses(w, count, up, here, normal(mix(index, key_0, key_1))))
        sound = moved(new if new == new else w, w, here)
        kept = min(max(sound, low), high)
        if WRITTEN > 0:
            shown = moved(np.float32(written(kept, here, index, key_0, key_1)), lanes[at], here)
            lanes[at] = shown if far else lanes[at]
        lanes[np.uintp(WRITTEN + i)] = kept if far else w
        hits = np.int32(hits + np.int32(far & (kept != sound)))
        bad = np.int32(bad + np.int32(far & (new != new)))
        items[np.uintp(LEFT + i)] = np.uint32((n > 1) & (not far))
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad


def pulse_by_pulse(lanes: Any, lane: Any, first: Any, items: Any, stream: Any, counts: Any, cells: Any) -> None:
    """Apply the pulses of one cell from number `first` on, each with its own normal, clipped to the bounds after it."""
    at = np.uintp(lane)
    w, low, high = lanes[np.uintp(WRITTEN + lane)], lanes[np.uintp(W_MIN + lane)], lanes[np.uintp(W_MAX + lane)]
    h = states_at(lanes, lane)
    cell = items[np.uintp(CELL + lane)]
    index = np.uint32(cell & INDEX)
    here = cell_at(lanes, at, cells[5], cells[0], index)
    up = moves_up(cell < NEGATIVE, here)
    train, trains_a_vector = np.int64(items[np.uintp(VECTOR + lane)]), stream[3]
    vector = np.uint64(stream[2] + np.uint64(train // trains_a_vector))
    block = 1 + BLOCKS_A_WORD * (train % trains_a_vector)
    for k in range(first, popcount(items[np.uintp(BITS + lane)])):
        words = vector_keys(stream[0], stream[1], vector, np.uint32(block + k))
        answer, state = step(w, h, up, here, draw(index, words[0], words[1]))
        new = np.float32(answer)
        if new != new:
            counts[NOT_FINITE] += 1
            new = w
        new = moved(new, w, here)
        h = next_states(state, h, not holds(here))
        w = min(max(new, low), high)
        counts[BOUND_HITS] += w != new
        if WRITTEN > 0:
            lanes[at] = moved(np.float32(written(w, here, index, words[0], words[1])), lanes[at], here)
    keep_states(lanes, lane, h)
    lanes[np.uintp(WRITTEN + lane)] = w


def load_lanes(lanes: Any, items: Any, found: Any, cells: Any) -> None:
    """Gather weights, fields and hidden states of the listed cells; four fields that lie side by side come together."""
    r, weights, fields, strides, hidden, _ = cells
    take(lanes, 0, weights, 0, 1, items, found)
    for k in range(HIDDEN):
        take(lanes, ROOM * (1 + FIELDS + k), hidden, (r * HIDDEN + k) * weights.size, 1, items, found)
    for f in range(FIELDS):
        if strides[f, 3] == 1:
            slots = (ROOM * (1 + f), ROOM * strides[f, 4], ROOM * strides[f, 5], ROOM * strides[f, 6])
            take_fours(lanes, slots, fields[f], r * strides[f, 0], items, found)
        elif strides[f, 3] == 0:
            take(lanes, ROOM * (1 + f), fields[f], r * strides[f, 0], strides[f, 2], items, found)
