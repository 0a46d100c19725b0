"""Pulse trains: for each vector the list of lines that pulse, with a word of bits per line, one bit per slot."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import largest_word
from mho.kernels.counts import NOT_FINITE, PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.bits import fill_keys, popcount
from mho.kernels.cpu.lists import SLACK, append, draw_single, list_driven, take
from mho.kernels.cpu.records import Key, LineDrive, Places, PulseList, TrainScratch, TrainSide, TrainSides, TrainWord
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

# Notes of the lines in a list, one column of ROOM words behind another in one array: with separate arrays LLVM gives up
# proving that they do not overlap, and leaves the loops to scalar code. The first four are those of `list_driven`.
ROOM = 1056  # LISTED + PIECE, and room for whole vectors behind
LINE = 0  # number of the line, with the sign of its drive in the highest bit
PROBABILITY = 1056  # gain·drive, with its sign
COUNTER = 2112  # first counter of its draws
KEY = 3168  # second key word of its vector
PLACE = 4224  # number of the train, for each vector in the list
BITS = 5280  # slots in which the line pulses
OPEN = 6336  # slots that the upper seven bits of a draw left undecided
INDEX = 7392  # 0, 1, 2, ...
END = 8448  # where the lines of each vector end in the list
TIED = 9504  # places of the lines with undecided slots, and copies of their notes
TIED_BITS = 10560
TIED_COUNTER = 11616
TIED_KEY = 12672
TIED_PROBABILITY = 13728
TIED_SET = 14784
KEPT = 15840  # slots that the vector of the line sends
WORK = 16896


def trains(start: Any, stop: Any, counts: Any, x: Any, d: Any, drive: Any, columns: Any, rows: Any, first: Any) -> None:
    """Draw pulse trains: P(A = 1) = min(1, C_x|x|) and P(B = 1) = min(1, C_δ|δ|) in each of BL slots.

    Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update. `mho.kernels.reference.trains` is the
    truth. A train of more than 32 slots is sent as several words, one after another.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: (R, SIZE); pulses of all lines are added, probabilities above 1 to the saturated probabilities, and
            vectors that are not finite to NOT_FINITE.
        x: (R, T, N).
        d: δ, (R, T, M); each of the P/M devices of a weight gets a train of its own.
        drive: `mho.kernels.records.TrainDrive`.
        columns: takes the trains of x, `mho.kernels.records.LineLists` with room for T·W·(N + SLACK) lines.
        rows: takes the trains of d, `mho.kernels.records.LineLists` with room for T·W·(P + SLACK) lines.
        first: number of the first vector, which names its draws.
    """
    keys = np.empty((4, CHUNK), np.uint32)
    gains = np.empty((4, CHUNK), np.float32)
    scratch = TrainScratch(np.empty(WORK, np.uint32), keys, gains[:2], gains[2:].view(np.uint32))
    draw_vectors(start, stop, counts, x, d, drive, TrainSides(columns, rows), first, scratch)


def draw_vectors(
    start: Any, stop: Any, counts: Any, x: Any, d: Any, drive: Any, sides: Any, first: Any, scratch: Any
) -> None:
    """Draw the trains of vectors `start` to `stop` in chunks; `trains` has the equation.

    The loop stands outside the kernel, as only helpers are free of Numba's reference counts.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: as for `trains`.
        x: (R, T, N).
        d: δ, (R, T, M).
        drive: `mho.kernels.records.TrainDrive`.
        sides: takes the trains, `mho.kernels.cpu.records.TrainSides`.
        first: number of the first vector.
        scratch: `mho.kernels.cpu.records.TrainScratch`.
    """
    columns, rows = sides.columns, sides.rows
    length, deterministic = drive.length, drive.deterministic
    work, keys, gains, lengths = scratch.work, scratch.keys, scratch.gains, scratch.lengths
    vectors, words = x.shape[1], (length + SLOTS_A_TRAIN - 1) // SLOTS_A_TRAIN
    noting = drive.length_managed or deterministic
    for i in range(ROOM):
        work[np.uintp(INDEX + i)] = np.uint32(i)
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(CHUNK, vectors - t0, stop - q)
        set_largest(gains, counts[r], r, x, d, t0, count)
        if drive.length_managed:
            fit_gains(gains, lengths[0], r, count, drive)
        else:
            set_gains(gains, r, count, drive)
            for i in range(count if deterministic else 0):
                lengths[0, np.uintp(i)] = np.uint32(length)
        for word in range(words):
            # every word of a train has keys of its own, so that BL may grow without changing the first slots
            block, slots = np.uint32(BLOCKS_A_WORD * word), min(SLOTS_A_TRAIN, length - SLOTS_A_TRAIN * word)
            most = set_kept(lengths, gains, drive.patterns, word, slots, count) if drive.length_managed else slots
            noted = lengths[0 if deterministic else 1]
            number = np.uint64(np.uint64(first) + np.uint64(t0))
            fill_keys(keys, drive.keys[r, 0], drive.keys[r, 1], number, 0, count, block)
            places = Places(t0 * words + word, words, t0 * words + word * count)
            side = TrainSide(
                x[r].reshape(-1).view(np.uint32), columns.lines[r].reshape(-1), columns.extents[r], x.shape[2],
                x.shape[2], t0 * x.shape[2],
            )  # fmt: skip
            sent = TrainWord(slots, most, noting, noted, deterministic, drive.patterns, 0, word)
            draw_side(counts[r], side, places, count, gains[0], keys[0], keys[1], sent, work)
            side = TrainSide(
                d[r].reshape(-1).view(np.uint32), rows.lines[r].reshape(-1), rows.extents[r], d.shape[2],
                d.shape[2] * drive.copies, t0 * d.shape[2],
            )  # fmt: skip
            sent = TrainWord(slots, most, noting, noted, deterministic, drive.patterns, 1, word)
            draw_side(counts[r], side, places, count, gains[1], keys[2], keys[3], sent, work)
        q += count


def set_largest(gains: Any, counts: Any, r: Any, x: Any, d: Any, t0: Any, count: Any) -> None:
    """Write the largest |x| and |δ| of `count` vectors from t0 on into gains (2, chunk), where their gains will stand.

    x is (R, T, N), d is δ, (R, T, M); vectors of replica r that are not finite are added to NOT_FINITE of counts.
    """
    across, down = gains[0], gains[1]
    bad = 0
    for i in range(count):
        at, t = np.uintp(i), np.uintp(t0 + i)
        across[at], down[at] = largest(x[r, t]), largest(d[r, t])
        bad += not (across[at] <= LARGEST and down[at] <= LARGEST)  # in this form NaN counts too
    counts[NOT_FINITE] += bad


def set_gains(gains: Any, r: Any, count: Any, drive: Any) -> None:
    """Write the gains C_x·m and C_δ/m of each vector, m = √(max|δ|/max|x|) under update management, else 1.

    `gains` (2, chunk) holds max|x| and max|δ| before; `drive` is a TrainDrive. If x or δ is 0, or has NaN, both gains
    are 0, so that no line pulses.
    Source: T. Gokmen, M. Onen, W. Haensch 2017, arXiv 1705.08014, update management.
    """
    x_gain, d_gain, managed = drive.x_gain, drive.d_gain, drive.managed
    across, down = gains[0], gains[1]
    for i in range(count):
        at = np.uintp(i)
        x_max, d_max = across[at], down[at]
        # not √(d/x), which over- or underflows where the roots do not
        balance = np.sqrt(d_max) / np.sqrt(x_max) if managed else ONE
        silent = not ((x_max > ZERO) & (d_max > ZERO))  # NaN too, which the caller reports
        across[at] = ZERO if silent else x_gain[r] * balance
        down[at] = ZERO if silent else d_gain[r] / balance


def fit_gains(gains: Any, lengths: Any, r: Any, count: Any, drive: Any) -> None:
    """Write the gains and the slots of the first `count` vectors of replica r under length management.

    `gains` (2, chunk) holds max|x| and max|δ| before; lengths (chunk,) uint32 takes 0 to drive.length slots.
    `mho.kernels.reference.trains.fitted_gains` is the truth, and has the equations.
    """
    x_gain, d_gain, length = drive.x_gain, drive.d_gain, drive.length
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
    """Write into lengths[1] which slots of a word each vector sends, as bits, by its train's length in lengths[0].

    The gains of vectors that send none of them become 0: they send no later slots either. Return the largest number of
    slots that a vector sends.
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
    """Return the largest absolute value of a float32 vector."""
    # Without its sign a float32 is ordered as its bits are, and integers may be compared in any order, in vectors; a
    # maximum of floats may not be reordered, because of NaN.
    return np.uint32(largest_word(values.view(np.uint32), 0, values.shape[0])).view(np.float32)


def draw_side(
    counts: Any, side: Any, places: Any, count: Any, gains: Any, keys_0: Any, keys_1: Any, sent: Any, work: Any
) -> None:
    """Draw one word of the trains of one side for `count` vectors.

    Where trains have several slots, only driven lines are drawn, and those of many vectors together, so that the loops
    run over full vectors of lines.

    Args:
        counts: (SIZE,) of the replica; pulses and saturated probabilities are added.
        side: `mho.kernels.cpu.records.TrainSide`.
        places: `mho.kernels.cpu.records.Places` of the trains.
        count: vectors.
        gains: C_x or C_δ of each vector, (count,); 0 where it sends nothing.
        keys_0: first key word of each vector, (count,) uint32.
        keys_1: second key word, (count,) uint32.
        sent: `mho.kernels.cpu.records.TrainWord`.
        work: notes of `mho.kernels.cpu.records.TrainScratch`.
    """
    drive, ends, rows, lines, driven_at = side.drive, side.extents, side.values, side.width, side.first
    place, whole, found, parts = places.first, places.first % places.step == 0, 0, 0
    # lists follow one another closely, from the end of the room of all lists before on: junk behind a list is
    # overwritten by the next
    end = places.end * (lines + SLACK)
    for i in range(count):
        at, out, here = np.uintp(i), side.lines, end
        ends[np.uintp(place), 0], ends[np.uintp(place), 1] = end, 0
        gain, key = np.float32(gains[at]).view(np.uint32), Key(keys_0[at], keys_1[at])
        if gains[at] != ZERO and sent.slots == 1 and not sent.deterministic:
            half = out.size // 2
            for copy in range(0, lines, rows):
                drawn = draw_single(PulseList(out, end, half + end), LineDrive(drive, driven_at, rows, gain, copy), key)
                end += drawn[0]
                counts[SATURATED_PROBABILITIES] += drawn[1] if whole else 0
            ends[np.uintp(place), 1] = end - here
            counts[PULSES] += end - here
        elif gains[at] != ZERO:
            for copy in range(0, lines, rows):
                for begin in range(0, rows, PIECE):
                    size, old = min(PIECE, rows - begin), found
                    piece = LineDrive(drive, driven_at + begin, size, gain, copy + begin)
                    found = list_driven(work, found, ROOM, piece, key)
                    work[np.uintp(PLACE + parts)], work[np.uintp(END + parts)] = np.uint32(place), np.uint32(found)
                    parts += found > old
                    if sent.noting:
                        for k in range(old, found):
                            work[np.uintp(KEPT + k)] = sent.noted[at]
                    if found >= LISTED:
                        end = draw_listed(counts, side, end, found, parts, sent, whole, work)
                        found, parts = 0, 0
        driven_at += rows
        place += places.step
    draw_listed(counts, side, end, found, parts, sent, whole, work)


def draw_listed(counts: Any, side: Any, end: Any, found: Any, parts: Any, sent: Any, whole: Any, work: Any) -> Any:
    """Draw the `found` listed lines of `parts` vectors, and write the lines that pulse of each vector, from `end` on.

    With `whole` these are the first words of their trains, in which saturated lines are counted. Return the new end.
    counts is (SIZE,), `side` a TrainSide, `sent` a TrainWord, `work` the notes of TrainScratch, flat uint32.
    """
    out, ends = side.lines, side.extents
    full = (found + 15) // 16 * 16
    for i in range(found, full):
        work[np.uintp(PROBABILITY + i)] = NO_BIT
    if sent.deterministic:
        saturated = set_patterns(work, found, full, sent)
    else:
        saturated = draw_slots(work, full, sent.most)
        decide_open(work, found)
        if sent.noting:
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
        drawn = PulseList(work, LINE + begin, BITS + begin)
        more = append(PulseList(out, end, room + end), drawn, last - begin, EVERY_BIT, NO_BIT, NO_BIT)
        if ends[t, 1] == 0:
            ends[t, 0] = end
        ends[t, 1] += more
        end, begin = end + more, last
    return end


def set_patterns(work: Any, found: Any, full: Any, sent: Any) -> Any:
    """Write the deterministic trains of all listed lines; return how many lines saturate.

    `work` has the notes of `found` lines, filled up to `full`, flat uint32; `sent` is a TrainWord.
    `mho.kernels.patterns` has the trains by length and number of pulses, the rounded product of both.
    """
    patterns, side, word, saturated = sent.patterns, sent.side, sent.word, np.int32(0)
    for i in range(full):
        work[np.uintp(BITS + i)] = NO_BIT
    for i in range(found):
        p = np.uint32(work[np.uintp(PROBABILITY + i)] & MAGNITUDE).view(np.float32)
        slots = work[np.uintp(KEPT + i)]
        # NaN becomes some number of pulses, which `min` keeps inside the table; the caller reports NaN
        pulses = min(np.uint32(np.rint(np.float32(slots) * min(p, ONE))), slots)
        saturated = np.int32(saturated + np.int32(p > ONE))
        work[np.uintp(BITS + i)] = patterns[side, word, np.uintp(slots), np.uintp(pulses)]
    return saturated


def draw_slots(work: Any, full: Any, slots: Any) -> Any:
    """Draw the slots of all listed lines by the upper seven bits of their draws; return how many lines saturate.

    `work` has the notes of `full` lines, a multiple of 16, flat uint32; a word sends 1 to 32 `slots`.
    Slots that seven bits do not decide are noted in OPEN. A word per slot takes three times as long at BL = 10.
    """
    # One random word decides four slots, a byte each: top - drawn, with top = threshold + 127, leaves the highest bit
    # of a byte set where the draw is below the threshold, and no byte borrows from its neighbour. Equality follows from
    # the exclusive-or. A pass over the list draws three words per line: it loads and stores the notes once for twelve
    # slots.
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
    """Return the highest bits of the bytes of word number `word` whose slots are sent, of `slots` slots."""
    left = max(0, slots - 4 * word)
    return NO_BIT if left == 0 else np.uint32(TOP_BITS >> np.uint32(8 * max(0, 4 - left)))


def decide_open(work: Any, found: Any) -> None:
    """Draw the lower 24 bits for the slots that the upper seven left undecided, a slot of each line at a time.

    The lines concerned are copied into a short list first, which takes 10 cycles per slot; without it a slot takes 25.
    """
    floats, undecided = work.view(np.float32), PulseList(work, TIED, TIED_BITS)
    tied = append(undecided, PulseList(work, INDEX, OPEN), found, EVERY_BIT, NO_BIT, NO_BIT)
    while tied > 0:
        for k in range(tied, tied + SLACK):
            work[np.uintp(TIED + k)] = NO_BIT
        for to, noted in ((TIED_COUNTER, COUNTER), (TIED_KEY, KEY), (TIED_PROBABILITY, PROBABILITY)):
            take(floats, to, floats, noted, 1, work[TIED : TIED + ROOM], tied)
        for k in range(tied):
            open_ = work[np.uintp(TIED_BITS + k)]
            # x & -x is the lowest set bit; the popcount of the bits below it is the number of the slot's counter
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
        tied = append(undecided, undecided, tied, EVERY_BIT, NO_BIT, NO_BIT)
