"""Moves of listed cross-points: by one pulse where pulses coincide once, else by a closed form or pulse by pulse.

A list has `found` entries, filled up to whole vectors of 16. `lanes` has what changes or is read of each entry, one
slot of ROOM float32 numbers behind another: the weight that reads see, the fields of the law, then hidden states.
`items` has what is noted of each coincidence, one note of ROOM uint32 words behind another. So each loop below runs
over neighbours in memory, in vectors of 16 cross-points.
"""

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

FEW = (
    4  # below one pulse in so many cross-points of a list, a loop over vectors is slower than a loop over cross-points
)

# Set by the device's model.
CLOSED_FORM = True  # whether the law says in one step what n pulses do
FIELDS = 2  # fields of the law
W_MAX = ROOM  # slot of the upper bound
W_MIN = 2 * ROOM  # slot of the lower bound
WRITTEN = 0  # slot of the weight that pulses move: with write noise it is not the weight that is read
HIDDEN = 0  # slots that reads do not see: the written weight, then the hidden states of the law
SLOTS = 3  # slots of `lanes`

NEGATIVE = np.uint32(0x80000000)  # bit of a pulse down
INDEX = np.uint32(0x7FFFFFFF)  # bits of the number of a cross-point

# Notes of a coincidence: where each begins in `items`.
POINT = 0  # number of the cross-point in its replica, and the direction in the highest bit
BITS = 928  # slots in which both lines pulse
KEY_0 = 1856  # keys of the first pulse
KEY_1 = 2784
VECTOR = 3712  # number of the train
NOTES = 5  # how many notes above belong to the coincidence; those below are scratch
LEFT = 4640  # not 0: pulses are left that the closed form may not replace
ASIDE = 5568  # copies of points and bits, while an earlier list is moved
ASIDE_BITS = 6496
PULSE_KEY_0 = 7424  # keys of a further pulse
PULSE_KEY_1 = 8352
ITEMS = 9280  # words of `items`


# A cross-point of a list: the weight that pulses move, its bounds, number, direction, and the record of its fields.
ListedPoint = namedtuple("ListedPoint", ["w", "low", "high", "index", "up", "cell"])


def move(counts: Any, found: Any, devices: Any, stream: Any, scratch: Any) -> None:
    """Move the cross-points of a list; no two entries may name the same cross-point.

    Args:
        counts: (SIZE,) of the replica; coincidences, bound hits, and steps that are not finite are added.
        found: entries of the list, noted in the items of `scratch`.
        devices: `mho.kernels.cpu.records.Devices`; its weights and hidden states are updated.
        stream: `mho.kernels.cpu.records.Stream`.
        scratch: `mho.kernels.cpu.records.MoveScratch`.
    """
    lanes, items, weights = scratch.lanes, scratch.items, devices.weights
    # entries that fill the last vector name cross-point 0 and have no pulse, so they may be computed like the others
    full = (found + 15) // 16 * 16
    for i in range(found, full):
        items[np.uintp(POINT + i)], items[np.uintp(BITS + i)] = np.uint32(0), np.uint32(0)
    load_lanes(lanes, items, full, devices)
    coincidences, several = move_single(counts, lanes, items, full, devices)
    counts[COINCIDENCES] += coincidences
    if several > 0:
        # many: loop over the whole list; few: copy them into a short list first
        if 4 * several > found:
            merge(counts, lanes, items, found, devices)
            left_by_pulses(lanes, items, found, stream, counts, devices)
        else:
            move_several(counts, found, stream, scratch, devices)
    # only now is anything written: no cross-point stands twice in the list, so order does not matter
    for i in range(found):
        weights[np.uintp(items[np.uintp(POINT + i)] & INDEX)] = lanes[np.uintp(i)]
    for k in range(HIDDEN):
        base = (devices.replica * HIDDEN + k) * weights.size
        for i in range(found):
            index = np.uintp(items[np.uintp(POINT + i)] & INDEX)
            devices.hidden[np.uintp(base) + index] = lanes[np.uintp(ROOM * (1 + FIELDS + k) + i)]


def point_at(lanes: Any, items: Any, i: Any, devices: Any) -> Any:
    """Return entry i of a list as a ListedPoint: its weight and bounds in array units, direction and fields.

    Args:
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; read.
        items: notes of the list, flat uint32, note n of entry i at n + i.
        i: the entry, from 0.
        devices: `mho.kernels.cpu.records.Devices` of the replica.
    """
    at, word = np.uintp(i), items[np.uintp(POINT + i)]
    index = np.uint32(word & INDEX)
    cell = cell_at(lanes, at, devices.tables, devices.replica, index)
    w, low, high = lanes[np.uintp(WRITTEN + i)], lanes[np.uintp(W_MIN + i)], lanes[np.uintp(W_MAX + i)]
    return ListedPoint(w, low, high, index, word < NEGATIVE, cell)


def pulse_point(lanes: Any, i: Any, point: Any, now: Any, key_0: Any, key_1: Any) -> Any:
    """Apply one pulse of the law to entry i, if `now`.

    Args:
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        i: the entry, from 0.
        point: the entry's ListedPoint.
        now: False computes the pulse and keeps nothing of it.
        key_0: first key word of the draws, uint32.
        key_1: second key word, uint32.

    Returns:
        Two int32: 1 if a bound was hit, and 1 if the law's answer was NaN; else 0.
    """
    # law and states are computed either way, and kept or not: a branch would leave the loop to scalar code
    h = states_at(lanes, i)
    up, z = moves_up(point.up, point.cell), draw(point.index, key_0, key_1)
    answer, state = step(point.w, h, up, point.cell, z)
    keep_states(lanes, i, next_states(state, h, now & (not holds(point.cell))))
    return keep_weight(lanes, i, point, np.float32(answer), now, key_0, key_1)


def keep_weight(lanes: Any, i: Any, point: Any, new: Any, now: Any, key_0: Any, key_1: Any) -> Any:
    """Write a law's answer to entry i, if `now`, clipped to the bounds, and with write noise drawn by the keys.

    Args:
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        i: the entry, from 0.
        point: the entry's ListedPoint.
        new: the law's answer, float32, in array units; NaN leaves the weight as it is.
        now: False leaves the entry as it is.
        key_0: first key word of the draws, uint32.
        key_1: second key word, uint32.

    Returns:
        Two int32: 1 if a bound was hit, and 1 if the answer was NaN; else 0.
    """
    at = np.uintp(i)
    sound = moved(new if new == new else point.w, point.w, point.cell)
    kept = min(max(sound, point.low), point.high)
    if WRITTEN > 0:
        shown = moved(np.float32(written(kept, point.cell, point.index, key_0, key_1)), lanes[at], point.cell)
        lanes[at] = shown if now else lanes[at]
    lanes[np.uintp(WRITTEN + i)] = kept if now else point.w
    return np.int32(now & (kept != sound)), np.int32(now & (new != new))


def move_single(counts: Any, lanes: Any, items: Any, full: Any, devices: Any) -> Any:
    """Move the cross-points whose lines coincide once; leave those with several coincidences as they are.

    Most coincide once, and a single pulse needs neither a root nor a look at how far several would reach.

    Args:
        counts: (SIZE,) of the replica; bound hits are added, and steps that are NaN to NOT_FINITE.
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        items: notes of the list, flat uint32, note n of entry i at n + i; pulses that a device does not respond to
            lose their bits.
        full: entries of the list, filled up to whole vectors of 16 by entries without a pulse.
        devices: `mho.kernels.cpu.records.Devices` of the replica.

    Returns:
        The coincidences of all entries, and the entries with more than one, both int32.
    """
    # sums in 32 bits: with 64-bit sums LLVM halves the vectors
    hits, bad, several, coincidences = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for i in range(full):
        point = point_at(lanes, items, i, devices)
        bits = items[np.uintp(BITS + i)] if accepts_pulse(point.up, point.cell) else np.uint32(0)
        items[np.uintp(BITS + i)] = bits
        n = np.int32(popcount(bits))
        hit, nan = pulse_point(lanes, i, point, n == 1, items[np.uintp(KEY_0 + i)], items[np.uintp(KEY_1 + i)])
        hits, bad = np.int32(hits + hit), np.int32(bad + nan)
        several = np.int32(several + np.int32(n > 1))
        coincidences = np.int32(coincidences + n)
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad
    return coincidences, several


def move_several(counts: Any, found: Any, stream: Any, scratch: Any, devices: Any) -> None:
    """Move the cross-points whose lines coincide more than once, which are few, in a short list of their own.

    The closed form moves those away from their bounds, and single pulses the others.

    Args:
        counts: (SIZE,) of the replica; bound hits are added, and steps that are NaN to NOT_FINITE.
        found: entries of the whole list.
        stream: `mho.kernels.cpu.records.Stream`, which names the draws.
        scratch: `mho.kernels.cpu.records.MoveScratch`; its `lanes` are updated.
        devices: `mho.kernels.cpu.records.Devices` of the replica.
    """
    lanes, items, places = scratch.few_lanes, scratch.few_items, scratch.chosen
    several = 0
    for i in range(found):
        bits = scratch.items[np.uintp(BITS + i)]
        # bits & (bits - 1) clears the lowest set bit: not 0 if there are two
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
    """Apply the pulses that the closed form has left, pulse k of all cross-points together while many have it.

    Args:
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        items: notes of the list, flat uint32, note n of entry i at n + i.
        found: entries of the list.
        stream: `mho.kernels.cpu.records.Stream`, which names the draws.
        counts: (SIZE,) of the replica; bound hits are added, and steps that are NaN to NOT_FINITE.
        devices: `mho.kernels.cpu.records.Devices` of the replica.
    """
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
    """Return the two key words, uint32 each, of a pulse of a train.

    Args:
        train: number of the train, of W trains per vector.
        pulse: number of the pulse in its train, from 0 to 31.
        stream: `mho.kernels.cpu.records.Stream`, which names the draws.
    """
    vector = np.uint64(stream.first + np.uint64(train // stream.words))
    block = 1 + BLOCKS_A_WORD * (train % stream.words)
    words = vector_keys(stream.key_0, stream.key_1, vector, np.uint32(block + pulse))
    return words[0], words[1]


def keys_of_pulse(items: Any, found: Any, pulse: Any, stream: Any) -> None:
    """Write the keys of pulse number `pulse` of each listed cross-point into its notes PULSE_KEY_0 and PULSE_KEY_1.

    Args:
        items: notes of the list, flat uint32, note n of entry i at n + i.
        found: entries of the list.
        pulse: number of the pulse in its train, from 0 to 31.
        stream: `mho.kernels.cpu.records.Stream`, which names the draws.
    """
    # ten rounds of Philox for each train, not for each entry: neighbours in a list are mostly of the same vector
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
    """Apply pulse number `pulse` to the cross-points that have pulses left; return how many have a further pulse.

    Args:
        counts: (SIZE,) of the replica; bound hits are added, and steps that are NaN to NOT_FINITE.
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        items: notes of the list, flat uint32, note n of entry i at n + i; the keys of this pulse are noted.
        found: entries of the list.
        pulse: number of the pulse in its train, from 0 to 31.
        devices: `mho.kernels.cpu.records.Devices` of the replica.
    """
    hits, bad, more = np.int32(0), np.int32(0), np.int32(0)
    number = np.int32(pulse)
    for i in range(found):
        n, left = np.int32(popcount(items[np.uintp(BITS + i)])), items[np.uintp(LEFT + i)] != 0
        point, now = point_at(lanes, items, i, devices), left & (number < n)
        key_0, key_1 = items[np.uintp(PULSE_KEY_0 + i)], items[np.uintp(PULSE_KEY_1 + i)]
        hit, nan = pulse_point(lanes, i, point, now, key_0, key_1)
        hits, bad = np.int32(hits + hit), np.int32(bad + nan)
        more = np.int32(more + np.int32(left & (np.int32(number + np.int32(1)) < n)))
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad
    return more


def merge(counts: Any, lanes: Any, items: Any, found: Any, devices: Any) -> None:
    """Move cross-points with n > 1 coincidences by the law's closed form, w += n·step + √n·spread·z with one normal z.

    The closed form has the distribution of n single pulses as long as no partial sum can reach a bound; where a bound
    is within `reach`, or the law has no closed form, the pulses are noted as left. That normals add up to one normal of
    √n times their spread is the source of the equation; `mho.kernels.reference.update` is the truth.

    Args:
        counts: (SIZE,) of the replica; bound hits are added, and answers that are NaN to NOT_FINITE.
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        items: notes of the list, flat uint32, note n of entry i at n + i; LEFT takes what is not 0 where pulses are
            left.
        found: entries of the list.
        devices: `mho.kernels.cpu.records.Devices` of the replica.
    """
    if not CLOSED_FORM:
        # any second bit means pulses that must be applied singly
        for i in range(found):
            bits = items[np.uintp(BITS + i)]
            items[np.uintp(LEFT + i)] = np.uint32(bits & np.uint32(bits - np.uint32(1)))
        return
    hits, bad = np.int32(0), np.int32(0)
    for i in range(found):
        point, n = point_at(lanes, items, i, devices), np.int32(popcount(items[np.uintp(BITS + i)]))
        key_0, key_1, count = items[np.uintp(KEY_0 + i)], items[np.uintp(KEY_1 + i)], np.float32(n)
        up = moves_up(point.up, point.cell)
        far = (n > 1) & (min(point.high - point.w, point.w - point.low) > reach(count, up, point.cell))
        new = np.float32(pulses(point.w, count, up, point.cell, normal(mix(point.index, key_0, key_1))))
        hit, nan = keep_weight(lanes, i, point, new, far, key_0, key_1)
        hits, bad = np.int32(hits + hit), np.int32(bad + nan)
        items[np.uintp(LEFT + i)] = np.uint32((n > 1) & (not far))
    counts[BOUND_HITS] += hits
    counts[NOT_FINITE] += bad


def pulse_by_pulse(lanes: Any, i: Any, first: Any, items: Any, stream: Any, counts: Any, devices: Any) -> None:
    """Apply the pulses of entry i from number `first` on, each with a normal of its own, clipped to the bounds.

    Args:
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; updated.
        i: the entry, from 0.
        first: number of the first pulse, from 0; at the number of coincidences nothing is done.
        items: notes of the list, flat uint32, note n of entry i at n + i.
        stream: `mho.kernels.cpu.records.Stream`, which names the draws.
        counts: (SIZE,) of the replica; bound hits are added, and steps that are NaN to NOT_FINITE.
        devices: `mho.kernels.cpu.records.Devices` of the replica.
    """
    train = np.int64(items[np.uintp(VECTOR + i)])
    for pulse in range(first, popcount(items[np.uintp(BITS + i)])):
        key_0, key_1 = keys_of_train(train, pulse, stream)
        hit, nan = pulse_point(lanes, i, point_at(lanes, items, i, devices), True, key_0, key_1)
        counts[BOUND_HITS] += hit
        counts[NOT_FINITE] += nan


def load_lanes(lanes: Any, items: Any, found: Any, devices: Any) -> None:
    """Gather weights, hidden states and fields of the first `found` listed cross-points into `lanes`.

    Args:
        lanes: weights, fields and hidden states of the list, flat float32: slot s of entry i at s·ROOM + i; written.
        items: notes of the list, flat uint32, note n of entry i at n + i.
        found: how many entries; a multiple of 16, as whole vectors are gathered.
        devices: `mho.kernels.cpu.records.Devices` of the replica; fields of stride 0 are single numbers.
    """
    r, weights, fields, strides = devices.replica, devices.weights, devices.fields, devices.strides
    take(lanes, 0, weights, 0, 1, items, found)
    for k in range(HIDDEN):
        take(lanes, ROOM * (1 + FIELDS + k), devices.hidden, (r * HIDDEN + k) * weights.size, 1, items, found)
    for f in range(FIELDS):
        # four interleaved fields come with one load of 16 bytes per cross-point; the other three of them are skipped
        if strides[f, 3] == 1:
            slots = (ROOM * (1 + f), ROOM * strides[f, 4], ROOM * strides[f, 5], ROOM * strides[f, 6])
            take_fours(lanes, slots, fields[f], r * strides[f, 0], items, found)
        elif strides[f, 3] == 0:
            take(lanes, ROOM * (1 + f), fields[f], r * strides[f, 0], strides[f, 2], items, found)
