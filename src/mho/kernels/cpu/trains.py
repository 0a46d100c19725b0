"""Pulse trains: for each vector, the lines that pulse and one word of bits for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import largest_word
from mho.kernels.counts import NOT_FINITE, PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.bits import popcount, tile_keys
from mho.kernels.cpu.lists import SLACK, append, draw_single, list_driven, take
from mho.random import BLOCKS_A_WORD, LOWER_BITS, LOWER_COUNTER, ONE, SLOTS_A_TRAIN, UPPER_BITS, mix, threshold

ZERO = np.float32(0.0)
LARGEST = np.float32(3.4028235e38)
MAGNITUDE = np.uint32(0x7FFFFFFF)
EVERY_BIT = np.uint32(0xFFFFFFFF)
NO_BIT = np.uint32(0)
EACH_BYTE = np.uint32(0x01010101)
LOW_SEVEN = np.uint32(0x7F7F7F7F)
TOP_BITS = np.uint32(0x80808080)

CHUNK = 64  # vectors whose keys are drawn together
PIECE = 512  # lines looked at in one go
LISTED = 512  # lines drawn together: what is noted of them stays in the first-level cache

# What is noted of each line in a list, side by side in one array of words; the first four as `list_driven` has them.
ROOM = 1056  # LISTED + PIECE, and room for whole vectors behind
LINE = 0
PROBABILITY = 1056
COUNTER = 2112
KEY = 3168
PLACE = 4224  # of the vectors in the list: which, and where the lines of each end
BITS = 5280
OPEN = 6336
INDEX = 7392
END = 8448
TIED = 9504
TIED_BITS = 10560
TIED_COUNTER = 11616
TIED_KEY = 12672
TIED_PROBABILITY = 13728
TIED_SET = 14784
KEPT = 15840
WORK = 16896


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
    length_managed: Any,
    deterministic: Any,
    patterns: Any,
    streams: Any,
    x_trains: Any,
    x_found: Any,
    d_trains: Any,
    d_found: Any,
    copies: Any,
    first: Any,
) -> None:
    """Draw the trains of vectors `start` to `stop`, counted over replicas times T.

    x (R, T, N), d (R, T, M), x_gain and d_gain (R,) float32; streams (R, 2) uint32; patterns as
    `mho.kernels.patterns.packed` has them. A train of more than 32 slots is sent as several, one after another: W of
    them a vector. Written: x_trains (R, 2, T·W·(N + SLACK)) and d_trains (R, 2, T·W·(P + SLACK)) uint32, the lines that
    pulse in ascending order (the highest bit set where the line is driven by a negative value), and their bits; x_found
    and d_found (R, T·W, 2), where those of each train begin and how many they are. Lists follow one another closely:
    few pulse, and what is not written needs no place in a cache. P is M times the devices of a weight: `copies` repeat
    d, each with its own train.
    """
    work = np.empty(WORK, np.uint32)
    keys = np.empty((4, CHUNK), np.uint32)
    gains = np.empty((4, CHUNK), np.float32)
    levels = (x_gain, d_gain, length, managed, length_managed, deterministic, patterns)
    written = (x_trains, x_found, d_trains, d_found, copies)
    draw_vectors(start, stop, counts, x, d, levels, streams, first, written, keys, gains, work)


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
    work: Any,
) -> None:
    """The loop over vectors, apart from the kernel: only helpers are free of Numba's reference counts."""
    length, length_managed, deterministic, patterns = levels[2], levels[4], levels[5], levels[6]
    x_trains, x_found, d_trains, d_found, copies = written
    lengths = gains[2:].view(np.uint32)
    vectors, words = x.shape[1], (length + SLOTS_A_TRAIN - 1) // SLOTS_A_TRAIN
    for i in range(ROOM):
        work[np.uintp(INDEX + i)] = np.uint32(i)
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(CHUNK, vectors - t0, stop - q)
        set_largest(gains, counts[r], r, x, d, t0, count)
        if length_managed:
            fit_gains(gains, lengths[0], r, count, levels)
        else:
            set_gains(gains, r, count, levels)
            for i in range(count if deterministic else 0):
                lengths[0, np.uintp(i)] = np.uint32(length)
        lines = d.shape[2] * copies
        for word in range(words):
            block, slots = np.uint32(BLOCKS_A_WORD * word), min(SLOTS_A_TRAIN, length - SLOTS_A_TRAIN * word)
            most = set_kept(lengths, gains, patterns, word, slots, count) if length_managed else slots
            noted = lengths[0 if deterministic else 1]
            number = np.uint64(np.uint64(first) + np.uint64(t0))
            tile_keys(keys, streams[r, 0], streams[r, 1], number, 0, count, block)
            drive, places = x[r].reshape(-1).view(np.uint32), (t0 * words + word, words, t0 * words + word * count)
            side = (drive, x_trains[r].reshape(-1), x_found[r], x.shape[2], x.shape[2], t0 * x.shape[2])
            sent = (slots, most, length_managed or deterministic, noted, deterministic, patterns, 0, word)
            draw_side(counts[r], side, places, count, gains[0], keys[0], keys[1], sent, work)
            drive = d[r].reshape(-1).view(np.uint32)
            side = (drive, d_trains[r].reshape(-1), d_found[r], d.shape[2], lines, t0 * d.shape[2])
            sent = (slots, most, length_managed or deterministic, noted, deterministic, patterns, 1, word)
            draw_side(counts[r], side, places, count, gains[1], keys[2], keys[3], sent, work)
        q += count


def set_largest(gains: Any, counts: Any, r: Any, x: Any, d: Any, t0: Any, count: Any) -> None:
    """Largest |x| and |δ| of each vector, in the places of its gains."""
    across, down = gains[0], gains[1]
    bad = 0
    for i in range(count):
        at, t = np.uintp(i), np.uintp(t0 + i)
        across[at], down[at] = largest(x[r, t]), largest(d[r, t])
        bad += not (across[at] <= LARGEST and down[at] <= LARGEST)
    counts[NOT_FINITE] += bad


def set_gains(gains: Any, r: Any, count: Any, levels: Any) -> None:
    """Gains of both sides for each vector; 0 where a side has no drive, so that nothing pulses."""
    x_gain, d_gain, managed = levels[0], levels[1], levels[3]
    across, down = gains[0], gains[1]
    for i in range(count):
        at = np.uintp(i)
        x_max, d_max = across[at], down[at]
        # not √(d/x), which over- or underflows where the roots do not
        balance = np.sqrt(d_max) / np.sqrt(x_max) if managed else ONE
        silent = not ((x_max > ZERO) & (d_max > ZERO))  # NaN too, which raises
        across[at] = ZERO if silent else x_gain[r] * balance
        down[at] = ZERO if silent else d_gain[r] / balance


def fit_gains(gains: Any, lengths: Any, r: Any, count: Any, levels: Any) -> None:
    """Gains and slots of each vector under length management, as `fitted_gains` of the reference has them."""
    x_gain, d_gain, length = levels[0], levels[1], levels[2]
    across, down = gains[0], gains[1]
    for i in range(count):
        at = np.uintp(i)
        x_max, d_max = across[at], down[at]
        wanted = min((x_gain[r] * x_max) * (d_gain[r] * d_max), LARGEST)
        across[at], down[at], lengths[at] = ZERO, ZERO, NO_BIT
        if wanted > ZERO:
            slots = min(np.ceil(wanted), np.float32(length))
            in_a_slot = wanted / slots
            peak = min(ONE, np.sqrt(in_a_slot))
            across[at], down[at], lengths[at] = peak / x_max, in_a_slot / peak / d_max, np.uint32(slots)


def set_kept(lengths: Any, gains: Any, patterns: Any, word: Any, slots: Any, count: Any) -> Any:
    """Which of the slots of a word each vector sends, as bits into lengths[1], by its whole length in lengths[0].

    Gains of vectors that send none of them become 0: they send no later ones either. Returns the most that one sends.
    """
    most = 0
    for i in range(count):
        at = np.uintp(i)
        length = lengths[0, at]
        sent = min(slots, max(0, np.int64(length) - SLOTS_A_TRAIN * word))
        lengths[1, at] = patterns[0, word, np.uintp(length), np.uintp(length)]
        if sent == 0:
            gains[0, at], gains[1, at] = ZERO, ZERO
        most = max(most, sent)
    return most


def largest(values: Any) -> Any:
    """Largest absolute value of a vector, compared as integers: floats may not be reordered."""
    return np.uint32(largest_word(values.view(np.uint32), 0, values.shape[0])).view(np.float32)


def draw_side(
    counts: Any, side: Any, places: Any, count: Any, gains: Any, keys_0: Any, keys_1: Any, sent: Any, work: Any
) -> None:
    """Draw the trains of one side for `count` vectors: number of the first, from one to the next, their room.

    Of several slots, only driven lines are drawn, and those of many vectors together, so that the drawing runs in
    full vectors. `sent`: slots of this word, the most that a vector sends of them, whether something is noted of the
    lines of each vector, and what: the bits of the slots that it sends, or for deterministic trains all its slots;
    whether they are deterministic; all patterns, and the side and the word whose they are.
    """
    slots, noting, noted, deterministic = sent[0], sent[2], sent[3], sent[4]
    drive, ends, rows, lines, driven_at = side[0], side[2], side[3], side[4], side[5]
    place, step, room = places
    whole, found, parts = place % step == 0, 0, 0
    end = room * (lines + SLACK)
    for i in range(count):
        at, out, here = np.uintp(i), side[1], end
        ends[np.uintp(place), 0], ends[np.uintp(place), 1] = end, 0
        if gains[at] != ZERO and slots == 1 and not deterministic:
            gain, half = np.float32(gains[at]).view(np.uint32), out.size // 2
            for copy in range(0, lines, rows):
                drawn = draw_single(out, end, half + end, drive, driven_at, rows, gain, keys_0[at], keys_1[at], copy)
                end += drawn[0]
                counts[SATURATED_PROBABILITIES] += drawn[1] if whole else 0
            ends[np.uintp(place), 1] = end - here
            counts[PULSES] += end - here
        elif gains[at] != ZERO:
            gain = np.float32(gains[at]).view(np.uint32)
            for copy in range(0, lines, rows):
                for begin in range(0, rows, PIECE):
                    size, old = min(PIECE, rows - begin), found
                    found = list_driven(
                        work, found, ROOM, drive, driven_at + begin, size, gain, keys_0[at], keys_1[at], copy + begin
                    )
                    work[np.uintp(PLACE + parts)], work[np.uintp(END + parts)] = np.uint32(place), np.uint32(found)
                    parts += found > old
                    if noting:
                        for k in range(old, found):
                            work[np.uintp(KEPT + k)] = noted[at]
                    if found >= LISTED:
                        end = draw_listed(counts, side, end, found, parts, sent, whole, work)
                        found, parts = 0, 0
        driven_at += rows
        place += step
    draw_listed(counts, side, end, found, parts, sent, whole, work)


def draw_listed(counts: Any, side: Any, end: Any, found: Any, parts: Any, sent: Any, whole: Any, work: Any) -> Any:
    """Draw the listed lines, of so many parts, and write for each vector those that pulse, from `end` on.

    Returns the new end.
    `whole`: whether these are the first slots of their trains, in which saturated lines are counted.
    """
    out, ends = side[1], side[2]
    full = (found + 15) // 16 * 16
    for i in range(found, full):
        work[np.uintp(PROBABILITY + i)] = NO_BIT
    if sent[4]:
        saturated = set_patterns(work, found, full, sent)
    else:
        saturated = draw_slots(work, full, sent[1])
        decide_open(work, found)
        if sent[2]:
            for i in range(found):
                work[np.uintp(BITS + i)] &= work[np.uintp(KEPT + i)]
    if whole:
        counts[SATURATED_PROBABILITIES] += saturated
    room = out.size // 2
    pulses, begin = np.uint32(0), 0
    for i in range(full):
        pulses = np.uint32(pulses + popcount(work[np.uintp(BITS + i)]))
    counts[PULSES] += np.int64(pulses)
    for k in range(parts):
        t, last = np.uintp(work[np.uintp(PLACE + k)]), np.int64(work[np.uintp(END + k)])
        more = append(
            out, end, room + end, work, LINE + begin, work, BITS + begin, last - begin, EVERY_BIT, EVERY_BIT, NO_BIT,
            NO_BIT,
        )  # fmt: skip
        if ends[t, 1] == 0:
            ends[t, 0] = end
        ends[t, 1] += more
        end, begin = end + more, last
    return end


def set_patterns(work: Any, found: Any, full: Any, sent: Any) -> Any:
    """Trains of all listed lines by their rounded numbers of pulses; returns how many lines saturate."""
    patterns, side, word, saturated = sent[5], sent[6], sent[7], np.int32(0)
    for i in range(full):
        work[np.uintp(BITS + i)] = NO_BIT
    for i in range(found):
        p = np.uint32(work[np.uintp(PROBABILITY + i)] & MAGNITUDE).view(np.float32)
        slots = work[np.uintp(KEPT + i)]
        pulses = min(np.uint32(np.rint(np.float32(slots) * min(p, ONE))), slots)  # of NaN, which raises, some
        saturated = np.int32(saturated + np.int32(p > ONE))
        work[np.uintp(BITS + i)] = patterns[side, word, np.uintp(slots), np.uintp(pulses)]
    return saturated


def draw_slots(work: Any, full: Any, slots: Any) -> Any:
    """Draw the slots of all listed lines, three words at a time: twelve slots. Returns how many lines saturate.

    One word decides four slots, byte by byte: where the threshold's seven bits are larger than the drawn ones,
    their difference has the highest bit of the byte set. A word a slot takes three times as long at BL = 10.
    """
    saturated = np.int32(0)
    for i in range(full):
        p = np.uint32(work[np.uintp(PROBABILITY + i)] & MAGNITUDE).view(np.float32)
        saturated = np.int32(saturated + np.int32(p > ONE))
        work[np.uintp(BITS + i)], work[np.uintp(OPEN + i)] = NO_BIT, NO_BIT
    words = (slots + 3) // 4
    for word in range(0, words, 3):
        used_0, used_1, used_2 = used(word, slots), used(word + 1, slots), used(word + 2, slots)
        place_0, place_1, place_2 = np.uint32(7 - word), np.uint32(max(0, 6 - word)), np.uint32(max(0, 5 - word))
        for i in range(full):
            limit = threshold(min(np.uint32(work[np.uintp(PROBABILITY + i)] & MAGNITUDE).view(np.float32), ONE))
            upper = np.uint32(np.uint32(min(np.uint32(limit >> LOWER_BITS), UPPER_BITS)) * EACH_BYTE)
            counter, key = np.uint32(work[np.uintp(COUNTER + i)] + np.uint32(word)), work[np.uintp(KEY + i)]
            a = np.uint32(mix(counter, NO_BIT, key) & LOW_SEVEN)
            b = np.uint32(mix(np.uint32(counter + np.uint32(1)), NO_BIT, key) & LOW_SEVEN)
            c = np.uint32(mix(np.uint32(counter + np.uint32(2)), NO_BIT, key) & LOW_SEVEN)
            top = np.uint32(upper + LOW_SEVEN)
            below = np.uint32(np.uint32(np.uint32(top - a) & used_0) >> place_0)
            below |= np.uint32(np.uint32(np.uint32(top - b) & used_1) >> place_1)
            below |= np.uint32(np.uint32(np.uint32(top - c) & used_2) >> place_2)
            equal = np.uint32(np.uint32(np.uint32(TOP_BITS - np.uint32(upper ^ a)) & used_0) >> place_0)
            equal |= np.uint32(np.uint32(np.uint32(TOP_BITS - np.uint32(upper ^ b)) & used_1) >> place_1)
            equal |= np.uint32(np.uint32(np.uint32(TOP_BITS - np.uint32(upper ^ c)) & used_2) >> place_2)
            work[np.uintp(BITS + i)] |= below
            work[np.uintp(OPEN + i)] |= equal
    return saturated


def used(word: Any, slots: Any) -> Any:
    """The highest bits of those bytes of a word whose slots are sent."""
    left = max(0, slots - 4 * word)
    return NO_BIT if left == 0 else np.uint32(TOP_BITS >> np.uint32(8 * max(0, 4 - left)))


def decide_open(work: Any, found: Any) -> None:
    """Draw the lower bits for the slots that the upper ones left open, one slot of each line at a time.

    The lines concerned are put together first: 25 to 10 cycles a slot.
    """
    floats = work.view(np.float32)
    tied = append(work, TIED, TIED_BITS, work, INDEX, work, OPEN, found, EVERY_BIT, EVERY_BIT, NO_BIT, NO_BIT)
    while tied > 0:
        for k in range(tied, tied + SLACK):
            work[np.uintp(TIED + k)] = NO_BIT
        for to, noted in ((TIED_COUNTER, COUNTER), (TIED_KEY, KEY), (TIED_PROBABILITY, PROBABILITY)):
            take(floats, to, floats, noted, 1, work[TIED : TIED + ROOM], tied)
        for k in range(tied):
            open_ = work[np.uintp(TIED_BITS + k)]
            bit = np.uint32(open_ & np.uint32(NO_BIT - open_))
            limit = threshold(min(np.uint32(work[np.uintp(TIED_PROBABILITY + k)] & MAGNITUDE).view(np.float32), ONE))
            upper = np.uint32(min(np.uint32(limit >> LOWER_BITS), UPPER_BITS))
            lower = np.uint32(limit - np.uint32(upper << LOWER_BITS))
            counter = np.uint32(work[np.uintp(TIED_COUNTER + k)] + LOWER_COUNTER)
            counter = np.uint32(counter + popcount(np.uint32(bit - np.uint32(1))))
            drawn = mix(counter, NO_BIT, work[np.uintp(TIED_KEY + k)])
            below = np.uint32(drawn >> np.uint32(32 - LOWER_BITS)) < lower
            work[np.uintp(TIED_BITS + k)] = np.uint32(open_ ^ bit)
            work[np.uintp(TIED_SET + k)] = bit if below else NO_BIT
        for k in range(tied):
            work[np.uintp(BITS + work[np.uintp(TIED + k)])] |= work[np.uintp(TIED_SET + k)]
        tied = append(work, TIED, TIED_BITS, work, TIED, work, TIED_BITS, tied, EVERY_BIT, EVERY_BIT, NO_BIT, NO_BIT)
