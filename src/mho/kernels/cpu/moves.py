"""Listed coincidences move their cross-points: once by one pulse, several times by a closed form or pulse by pulse."""

from __future__ import annotations

from collections import namedtuple
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


Lane = namedtuple("Lane", ["w", "low", "high", "index", "up", "cell"])  # a listed cross-point: see `lane_at`


def move(counts: Any, found: Any, devices: Any, stream: Any, scratch: Any) -> None:
    """Apply the `found` listed coincidences to their cross-points, no two of them the same.

    Args:
        counts: (SIZE,) of the replica; coincidences, bound hits, and steps that are not finite are added.
        found: coincidences, noted in the items of `scratch`.
        devices: `mho.kernels.records.Devices`.
        stream: `mho.kernels.records.Stream`.
        scratch: `mho.kernels.records.MoveScratch`.
    """
    lanes, items, weights = scratch.lanes, scratch.items, devices.weights
    full = (found + 15) // 16 * 16
    for i in range(found, full):
        items[np.uintp(CELL + i)], items[np.uintp(BITS + i)] = np.uint32(0), np.uint32(0)
    load_lanes(lanes, items, full, devices)
    coincidences, several = move_single(counts, lanes, items, full, devices)
    counts[COINCIDENCES] += coincidences
    if several > 0:
        if 4 * several > found:
            merge(counts, lanes, items, found, devices)
            left_by_pulses(lanes, items, found, stream, counts, devices)
        else:
            move_several(counts, found, stream, scratch, devices)
    for i in range(found):
        weights[np.uintp(items[np.uintp(CELL + i)] & INDEX)] = lanes[np.uintp(i)]
    for k in range(HIDDEN):
        base = (devices.replica * HIDDEN + k) * weights.size
        for i in range(found):
            cell = np.uintp(items[np.uintp(CELL + i)] & INDEX)
            devices.hidden[np.uintp(base) + cell] = lanes[np.uintp(ROOM * (1 + FIELDS + k) + i)]


def lane_at(lanes: Any, items: Any, i: Any, devices: Any) -> Any:
    """Return the cross-point in lane i: the weight that pulses move, its bounds, its index, direction and fields."""
    at, word = np.uintp(i), items[np.uintp(CELL + i)]
    index = np.uint32(word & INDEX)
    cell = cell_at(lanes, at, devices.tables, devices.replica, index)
    w, low, high = lanes[np.uintp(WRITTEN + i)], lanes[np.uintp(W_MIN + i)], lanes[np.uintp(W_MAX + i)]
    return Lane(w, low, high, index, word < NEGATIVE, cell)


def pulse_lane(lanes: Any, i: Any, lane: Any, now: Any, key_0: Any, key_1: Any) -> Any:
    """Apply one pulse of the law to lane i, if `now`; returns as `keep_weight`."""
    h = states_at(lanes, i)
    up, z = moves_up(lane.up, lane.cell), draw(lane.index, key_0, key_1)
    answer, state = step(lane.w, h, up, lane.cell, z)
    keep_states(lanes, i, next_states(state, h, now & (not holds(lane.cell))))
    return keep_weight(lanes, i, lane, np.float32(answer), now, key_0, key_1)


def keep_weight(lanes: Any, i: Any, lane: Any, new: Any, now: Any, key_0: Any, key_1: Any) -> Any:
    """Write a law's answer `new` to lane i, if `now`: clipped to the bounds, and what reads see of it by the keys.

    NaN leaves the weight. Returns whether a bound was hit, and whether the answer was NaN, 0 or 1 each.
    """
    at = np.uintp(i)
    sound = moved(new if new == new else lane.w, lane.w, lane.cell)
    kept = min(max(sound, lane.low), lane.high)
    if WRITTEN > 0:
        shown = moved(np.float32(written(kept, lane.cell, lane.index, key_0, key_1)), lanes[at], lane.cell)
        lanes[at] = shown if now else lanes[at]
    lanes[np.uintp(WRITTEN + i)] = kept if now else lane.w
    return np.int32(now & (kept != sound)), np.int32(now & (new != new))


def move_single(counts: Any, lanes: Any, items: Any, full: Any, devices: Any) -> Any:
    """Move the cross-points that coincide once; return all coincidences, and how many cross-points coincide more often.

    Most coincide once, and one pulse needs neither a root nor a look at how far several would reach.
    """
    hits, bad, several, coincidences = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for i in range(full):
        lane = lane_at(lanes, items, i, devices)
        bits = items[np.uintp(BITS + i)] if accepts_pulse(lane.up, lane.cell) else np.uint32(0)
        items[np.uintp(BITS + i)] = bits
        n = np.int32(popcount(bits))
        hit, nan = pulse_lane(lanes, i, lane, n == 1, items[np.uintp(KEY_0 + i)], items[np.uintp(KEY_1 + i)])
        hits, bad = np.int32(hits + hit), np.int32(bad + nan)
        several = np.int32(several + np.int32(n > 1))
        coincidences = np.int32(coincidences + n)
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad
    return coincidences, several


def move_several(counts: Any, found: Any, stream: Any, scratch: Any, devices: Any) -> None:
    """Move the cross-points that coincide more than once: by the closed form away from bounds, else by each pulse.

    They are few among the listed ones, and are put together first.
    """
    lanes, items, places = scratch.few_lanes, scratch.few_items, scratch.chosen
    several = 0
    for i in range(found):
        bits = scratch.items[np.uintp(BITS + i)]
        places[np.uintp(several)] = i
        several += (bits & np.uint32(bits - np.uint32(1))) != 0
    for k in range(several):
        i = places[np.uintp(k)]
        for slot in range(SLOTS):
            lanes[np.uintp(slot * ROOM + k)] = scratch.lanes[np.uintp(slot * ROOM + i)]
        for note in range(NOTES):
            items[np.uintp(note * ROOM + k)] = scratch.items[np.uintp(note * ROOM + i)]
    merge(counts, lanes, items, several, devices)
    left_by_pulses(lanes, items, several, stream, counts, devices)
    for k in range(several):
        scratch.lanes[np.uintp(places[np.uintp(k)])] = lanes[np.uintp(k)]
        for slot in range(1 + FIELDS, SLOTS):
            scratch.lanes[np.uintp(ROOM * slot + places[np.uintp(k)])] = lanes[np.uintp(ROOM * slot + k)]


def left_by_pulses(lanes: Any, items: Any, found: Any, stream: Any, counts: Any, devices: Any) -> None:
    """Move what the closed form left, pulse by pulse: all cross-points by one, as long as it concerns many of them."""
    pulse, active = 0, 0
    for i in range(found):
        active += items[np.uintp(LEFT + i)] != 0
    while active > 0:
        if FEW * active < found:
            for i in range(found):
                if items[np.uintp(LEFT + i)] != 0 and pulse < popcount(items[np.uintp(BITS + i)]):
                    pulse_by_pulse(lanes, i, pulse, items, stream, counts, devices)
            return
        keys_of_pulse(items, found, pulse, stream)
        active = move_by_one(counts, lanes, items, found, pulse, devices)
        pulse += 1


def keys_of_train(train: Any, pulse: Any, stream: Any) -> Any:
    """Return the keys of the pulse of this number of a train."""
    vector = np.uint64(stream.first + np.uint64(train // stream.words))
    block = 1 + BLOCKS_A_WORD * (train % stream.words)
    words = vector_keys(stream.key_0, stream.key_1, vector, np.uint32(block + pulse))
    return words[0], words[1]


def keys_of_pulse(items: Any, found: Any, pulse: Any, stream: Any) -> None:
    """Note the keys of a pulse of each listed cross-point; neighbours in a list are mostly of the same vector."""
    last = np.int64(-1)
    key_0, key_1 = np.uint32(0), np.uint32(0)
    for i in range(found):
        train = np.int64(items[np.uintp(VECTOR + i)])
        if train != last:
            key_0, key_1 = keys_of_train(train, pulse, stream)
            last = train
        items[np.uintp(PULSE_KEY_0 + i)] = key_0
        items[np.uintp(PULSE_KEY_1 + i)] = key_1


def move_by_one(counts: Any, lanes: Any, items: Any, found: Any, pulse: Any, devices: Any) -> Any:
    """Apply the pulse of this number to the cross-points left that have it; return how many have a further one."""
    hits, bad, more = np.int32(0), np.int32(0), np.int32(0)
    number = np.int32(pulse)
    for i in range(found):
        n, left = np.int32(popcount(items[np.uintp(BITS + i)])), items[np.uintp(LEFT + i)] != 0
        lane, now = lane_at(lanes, items, i, devices), left & (number < n)
        key_0, key_1 = items[np.uintp(PULSE_KEY_0 + i)], items[np.uintp(PULSE_KEY_1 + i)]
        hit, nan = pulse_lane(lanes, i, lane, now, key_0, key_1)
        hits, bad = np.int32(hits + hit), np.int32(bad + nan)
        more = np.int32(more + np.int32(left & (np.int32(number + np.int32(1)) < n)))
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad
    return more


def merge(counts: Any, lanes: Any, items: Any, found: Any, devices: Any) -> None:
    """Move by the closed form what coincides n > 1 times and has no bound within reach; note what is left.

    w += n·step + √n·spread·z, with one normal z: exact where no partial sum can reach a bound.
    """
    if not CLOSED_FORM:
        for i in range(found):
            bits = items[np.uintp(BITS + i)]
            items[np.uintp(LEFT + i)] = np.uint32(bits & np.uint32(bits - np.uint32(1)))
        return
    hits, bad = np.int32(0), np.int32(0)
    for i in range(found):
        lane, n = lane_at(lanes, items, i, devices), np.int32(popcount(items[np.uintp(BITS + i)]))
        key_0, key_1, count = items[np.uintp(KEY_0 + i)], items[np.uintp(KEY_1 + i)], np.float32(n)
        up = moves_up(lane.up, lane.cell)
        far = (n > 1) & (min(lane.high - lane.w, lane.w - lane.low) > reach(count, up, lane.cell))
        new = np.float32(pulses(lane.w, count, up, lane.cell, normal(mix(lane.index, key_0, key_1))))
        hit, nan = keep_weight(lanes, i, lane, new, far, key_0, key_1)
        hits, bad = np.int32(hits + hit), np.int32(bad + nan)
        items[np.uintp(LEFT + i)] = np.uint32((n > 1) & (not far))
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad


def pulse_by_pulse(lanes: Any, i: Any, first: Any, items: Any, stream: Any, counts: Any, devices: Any) -> None:
    """Apply the pulses of lane i from number `first` on, each with its own normal, clipped to the bounds after it."""
    train = np.int64(items[np.uintp(VECTOR + i)])
    for pulse in range(first, popcount(items[np.uintp(BITS + i)])):
        key_0, key_1 = keys_of_train(train, pulse, stream)
        hit, nan = pulse_lane(lanes, i, lane_at(lanes, items, i, devices), True, key_0, key_1)
        counts[BOUND_HITS] += hit
        counts[NOT_FINITE] += nan


def load_lanes(lanes: Any, items: Any, found: Any, devices: Any) -> None:
    """Gather weights, fields and hidden states of the listed cells; four fields that lie side by side come together."""
    r, weights, fields, strides = devices.replica, devices.weights, devices.fields, devices.strides
    take(lanes, 0, weights, 0, 1, items, found)
    for k in range(HIDDEN):
        take(lanes, ROOM * (1 + FIELDS + k), devices.hidden, (r * HIDDEN + k) * weights.size, 1, items, found)
    for f in range(FIELDS):
        if strides[f, 3] == 1:
            slots = (ROOM * (1 + f), ROOM * strides[f, 4], ROOM * strides[f, 5], ROOM * strides[f, 6])
            take_fours(lanes, slots, fields[f], r * strides[f, 0], items, found)
        elif strides[f, 3] == 0:
            take(lanes, ROOM * (1 + f), fields[f], r * strides[f, 0], strides[f, 2], items, found)
