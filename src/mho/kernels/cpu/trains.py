"""Pulse trains: for each vector, the lines that pulse and one word of bits for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import NOT_FINITE, PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.bits import popcount, tile_keys
from mho.kernels.cpu.lists import SLACK, append, take
from mho.random import COUNTERS_A_LINE, LOWER_BITS, LOWER_COUNTER, ONE, UPPER_BITS, mix, threshold

ZERO = np.float32(0.0)
LARGEST = np.float32(3.4028235e38)
NEGATIVE = np.uint32(0x80000000)
MAGNITUDE = np.uint32(0x7FFFFFFF)
EVERY_BIT = np.uint32(0xFFFFFFFF)
NO_BIT = np.uint32(0)
EACH_BYTE = np.uint32(0x01010101)
LOW_SEVEN = np.uint32(0x7F7F7F7F)
TOP_BITS = np.uint32(0x80808080)

CHUNK = 64  # vectors whose keys are drawn together
PIECE = 512  # lines looked at in one go
LISTED = 512  # lines drawn together: what is noted of them stays in the first-level cache
SEGMENTS = 128

# What is noted of each line in a list, side by side in one array of words.
ROOM = 1056  # LISTED + PIECE, and room for whole vectors behind
INDEX = 0
LINE = 1056
VALUE = 2112
GAIN = 3168
KEY_0 = 4224
KEY_1 = 5280
TOP = 6336
LOWER = 7392
BITS = 8448
OPEN = 9504
TIED = 10560
TIED_BITS = 11616
TIED_LINE = 12672
TIED_KEY_0 = 13728
TIED_KEY_1 = 14784
TIED_LOWER = 15840
TIED_SET = 16896
WORK = 17952


def trains(
    start: Any,
    stop: Any,
    counts: Any,
    x: Any,
    d: Any,
    x_gain: Any,
    d_gain: Any,
    length: Any,
    managed: Any,
    streams: Any,
    x_trains: Any,
    x_found: Any,
    d_trains: Any,
    d_found: Any,
    copies: Any,
    first: Any,
) -> None:
    """Draw the trains of vectors `start` to `stop`, counted over replicas times T.

    x (R, T, N), d (R, T, M), x_gain and d_gain (R,) float32; streams (R, 2) uint32. Written: x_trains
    (R, 2, T·(N + SLACK)) and d_trains (R, 2, T·(P + SLACK)) uint32, the lines that pulse in ascending order (the
    highest bit set where the line is driven by a negative value), and their bits; x_found and d_found
    (R, T, 2), where those of each vector begin and how many they are. Lists of vectors follow one another closely:
    few pulse, and what is not written needs no place in a cache. P is M times the devices of a weight:
    `copies` repeat d, each with its own train.
    """
    work = np.empty(WORK, np.uint32)
    segments = np.empty((3, SEGMENTS), np.int64)
    keys = np.empty((4, CHUNK), np.uint32)
    gains = np.empty((2, CHUNK), np.float32)
    scratch = (work, segments)
    levels = (x_gain, d_gain, length, managed)
    written = (x_trains, x_found, d_trains, d_found, copies)
    draw_vectors(start, stop, counts, x, d, levels, streams, first, written, keys, gains, scratch)


def draw_vectors(
    start: Any,
    stop: Any,
    counts: Any,
    x: Any,
    d: Any,
    levels: Any,
    streams: Any,
    first: Any,
    written: Any,
    keys: Any,
    gains: Any,
    scratch: Any,
) -> None:
    """The loop over vectors, apart from the kernel: only helpers are free of Numba's reference counts."""
    x_gain, d_gain, length, managed = levels
    x_trains, x_found, d_trains, d_found, copies = written
    work, vectors = scratch[0], x.shape[1]
    for i in range(ROOM):
        work[np.uintp(INDEX + i)] = np.uint32(i)
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(CHUNK, vectors - t0, stop - q)
        tile_keys(keys, streams[r, 0], streams[r, 1], np.uint64(np.uint64(first) + np.uint64(t0)), count, np.uint32(0))
        for i in range(count):
            at, t = np.uintp(i), np.uintp(t0 + i)
            x_max, d_max = largest(x[r, t]), largest(d[r, t])
            counts[r, NOT_FINITE] += not (x_max <= LARGEST and d_max <= LARGEST)
            gains[0, at], gains[1, at] = x_gain[r], d_gain[r]
            if x_max == ZERO or d_max == ZERO:
                gains[0, at], gains[1, at] = ZERO, ZERO
            elif managed:
                # not √(d/x), which over- or underflows where the roots do not
                balance = np.sqrt(d_max) / np.sqrt(x_max)
                gains[0, at], gains[1, at] = gains[0, at] * balance, gains[1, at] / balance
        lines = d.shape[2] * copies
        sides = (x[r].reshape(-1).view(np.uint32), x_trains[r].reshape(-1), x_found[r], x.shape[2], x.shape[2])
        draw_side(counts[r], sides, t0, count, gains[0], keys[0], keys[1], length, scratch)
        sides = (d[r].reshape(-1).view(np.uint32), d_trains[r].reshape(-1), d_found[r], d.shape[2], lines)
        draw_side(counts[r], sides, t0, count, gains[1], keys[2], keys[3], length, scratch)
        q += count


def largest(values: Any) -> Any:
    """Largest absolute value of a vector, compared as integers: floats may not be reordered."""
    found = np.int32(0)
    for i in range(values.shape[0]):
        found = max(found, np.int32(np.float32(values[np.uintp(i)]).view(np.int32) & np.int32(0x7FFFFFFF)))
    return np.int32(found).view(np.float32)


def draw_side(
    counts: Any,
    side: Any,
    t0: Any,
    count: Any,
    gains: Any,
    keys_0: Any,
    keys_1: Any,
    length: Any,
    scratch: Any,
) -> None:
    """Draw the trains of one side for `count` vectors from t0.

    Only driven lines are drawn, and those of many vectors together, so that the drawing runs in full vectors.
    """
    work, segments = scratch
    drive, ends, rows, lines = side[0], side[2], side[3], side[4]
    found, segment = 0, 0
    end = t0 * (lines + SLACK)
    for i in range(count):
        at = np.uintp(i)
        ends[np.uintp(t0 + i), 0], ends[np.uintp(t0 + i), 1] = end, 0
        if gains[at] == ZERO:
            continue
        for copy in range(0, lines, rows):
            for begin in range(0, rows, PIECE):
                size = min(PIECE, rows - begin)
                begun = found
                found += append(
                    work, LINE + found, VALUE + found, work, INDEX, drive, (t0 + i) * rows + begin, size,
                    MAGNITUDE, EVERY_BIT, np.uint32(copy + begin), NO_BIT,
                )  # fmt: skip
                for k in range(begun, found):
                    work[np.uintp(GAIN + k)] = np.float32(gains[at]).view(np.uint32)
                    work[np.uintp(KEY_0 + k)] = keys_0[at]
                    work[np.uintp(KEY_1 + k)] = keys_1[at]
                segments[0, np.uintp(segment)] = t0 + i
                segments[1, np.uintp(segment)], segments[2, np.uintp(segment)] = begun, found
                segment += 1
                if found >= LISTED or segment == SEGMENTS:
                    end = draw_listed(counts, side, end, found, segment, length, scratch)
                    found, segment = 0, 0
    draw_listed(counts, side, end, found, segment, length, scratch)


def draw_listed(counts: Any, side: Any, end: Any, found: Any, segments_found: Any, length: Any, scratch: Any) -> Any:
    """Draw the listed lines, and write for each vector those that pulse, from `end` on; returns the new end."""
    work, segments = scratch
    out, ends = side[1], side[2]
    room = out.size // 2
    full = (found + 15) // 16 * 16
    for i in range(found, full):
        work[np.uintp(VALUE + i)], work[np.uintp(GAIN + i)] = NO_BIT, NO_BIT
    if length == 1:
        counts[SATURATED_PROBABILITIES] += draw_slot(work, full)
    else:
        counts[SATURATED_PROBABILITIES] += note_thresholds(work, full)
        draw_words(work, full, length)
        decide_open(work, found)
    pulses = np.int32(0)
    for i in range(full):
        pulses = np.int32(pulses + np.int32(popcount(work[np.uintp(BITS + i)])))
    counts[PULSES] += pulses
    for segment in range(segments_found):
        at = np.uintp(segment)
        t, begin, size = np.uintp(segments[0, at]), segments[1, at], segments[2, at] - segments[1, at]
        if ends[t, 1] == 0:
            ends[t, 0] = end
        more = append(
            out, end, room + end, work, LINE + begin, work, BITS + begin, size, EVERY_BIT, EVERY_BIT, NO_BIT, NO_BIT
        )
        ends[t, 1] += more
        end += more
    return end


def draw_slot(work: Any, full: Any) -> Any:
    """Draw the only slot of all listed lines, its 31 bits from one word; returns how many saturate."""
    saturated = np.int32(0)
    for i in range(full):
        value, line = work[np.uintp(VALUE + i)], work[np.uintp(LINE + i)]
        p = np.uint32(work[np.uintp(GAIN + i)]).view(np.float32) * np.uint32(value & MAGNITUDE).view(np.float32)
        saturated = np.int32(saturated + np.int32(p > ONE))
        counter = np.uint32(line * COUNTERS_A_LINE)
        drawn = np.uint32(mix(counter, work[np.uintp(KEY_0 + i)], work[np.uintp(KEY_1 + i)]) >> np.uint32(1))
        work[np.uintp(BITS + i)] = np.uint32(drawn < threshold(min(p, ONE)))
        work[np.uintp(LINE + i)] = np.uint32(line | np.uint32(value & NEGATIVE))
    return saturated


def note_thresholds(work: Any, full: Any) -> Any:
    """Note the thresholds of all listed lines, for several slots; returns how many saturate."""
    saturated = np.int32(0)
    for i in range(full):
        value = work[np.uintp(VALUE + i)]
        p = np.uint32(work[np.uintp(GAIN + i)]).view(np.float32) * np.uint32(value & MAGNITUDE).view(np.float32)
        saturated = np.int32(saturated + np.int32(p > ONE))
        limit = threshold(min(p, ONE))
        upper = np.uint32(min(np.uint32(limit >> LOWER_BITS), UPPER_BITS))
        work[np.uintp(TOP + i)] = np.uint32(LOW_SEVEN + np.uint32(upper * EACH_BYTE))
        work[np.uintp(LOWER + i)] = np.uint32(limit - np.uint32(upper << LOWER_BITS))
        work[np.uintp(LINE + i)] |= np.uint32(value & NEGATIVE)
        work[np.uintp(BITS + i)] = NO_BIT
        work[np.uintp(OPEN + i)] = NO_BIT
    return saturated


def draw_words(work: Any, full: Any, length: Any) -> None:
    """Draw the slots of all listed lines.

    One word decides four slots, byte by byte: where the threshold's seven bits are larger than the drawn ones,
    TOP - drawn has the highest bit of the byte set. A word a slot takes three times as long at BL = 10.
    """
    for word in range((length + 3) // 4):
        used = np.uint32(TOP_BITS >> np.uint32(8 * max(0, 4 * word + 4 - length)))
        place = np.uint32(7 - word)
        for i in range(full):
            top = work[np.uintp(TOP + i)]
            counter = np.uint32(np.uint32(work[np.uintp(LINE + i)] * COUNTERS_A_LINE) + np.uint32(word))
            drawn = np.uint32(mix(counter, work[np.uintp(KEY_0 + i)], work[np.uintp(KEY_1 + i)]) & LOW_SEVEN)
            below = np.uint32(np.uint32(top - drawn) & used)
            differ = np.uint32(np.uint32(top - LOW_SEVEN) ^ drawn)
            equal = np.uint32(np.uint32(TOP_BITS - differ) & used)
            work[np.uintp(BITS + i)] |= np.uint32(below >> place)
            work[np.uintp(OPEN + i)] |= np.uint32(equal >> place)


def decide_open(work: Any, found: Any) -> None:
    """Draw the lower bits for the slots that the upper ones left open, one slot of each line at a time.

    The lines concerned are put together first: 25 to 10 cycles a slot.
    """
    floats = work.view(np.float32)
    tied = append(work, TIED, TIED_BITS, work, INDEX, work, OPEN, found, EVERY_BIT, EVERY_BIT, NO_BIT, NO_BIT)
    while tied > 0:
        for k in range(tied, tied + SLACK):
            work[np.uintp(TIED + k)] = NO_BIT
        for to, noted in ((TIED_LINE, LINE), (TIED_KEY_0, KEY_0), (TIED_KEY_1, KEY_1), (TIED_LOWER, LOWER)):
            take(floats, to, floats, noted, 1, work[TIED : TIED + ROOM], tied)
        for k in range(tied):
            open_ = work[np.uintp(TIED_BITS + k)]
            bit = np.uint32(open_ & np.uint32(NO_BIT - open_))
            counter = np.uint32(np.uint32(work[np.uintp(TIED_LINE + k)] * COUNTERS_A_LINE) + LOWER_COUNTER)
            counter = np.uint32(counter + popcount(np.uint32(bit - np.uint32(1))))
            drawn = mix(counter, work[np.uintp(TIED_KEY_0 + k)], work[np.uintp(TIED_KEY_1 + k)])
            below = np.uint32(drawn >> np.uint32(32 - LOWER_BITS)) < work[np.uintp(TIED_LOWER + k)]
            work[np.uintp(TIED_BITS + k)] = np.uint32(open_ ^ bit)
            work[np.uintp(TIED_SET + k)] = bit if below else NO_BIT
        for k in range(tied):
            work[np.uintp(BITS + work[np.uintp(TIED + k)])] |= work[np.uintp(TIED_SET + k)]
        tied = append(work, TIED, TIED_BITS, work, TIED, work, TIED_BITS, tied, EVERY_BIT, EVERY_BIT, NO_BIT, NO_BIT)
