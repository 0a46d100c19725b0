"""Lists of lines that pulse, and of cross-points that coincide.

Few lines pulse in a slot, so lists of them are shorter than bit masks, and loops over lists run in full vectors. Each
function has a plain loop, and an intrinsic of `mho.compiler.vectors` with equal results for machines that have AVX2 or
AVX-512. A list is written ahead of its end: a store of a whole vector costs less than a masked one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import compress, draw_lines, gather, gather_fours, list_lines
from mho.random import COUNTERS_A_LINE, ONE, mix, threshold

SLACK = 16  # words behind the end of a list that may be written
# Set by the compiler.
COMPRESSES = True  # whether the machine has AVX2
GATHERS = True  # whether the machine has AVX-512


def append(out: Any, source: Any, size: Any, slots: Any, base: Any, flip: Any) -> Any:
    """Append to a list the entries of another list that pulse in any of `slots`; return how many.

    In vectors this takes a third to a quarter of the time of the loop.

    Args:
        out: `mho.kernels.cpu.records.PulseList` that takes the entries, with SLACK words of junk behind its end:
            numbers (number + base) ^ flip, and those of their slots that are in `slots`.
        source: `mho.kernels.cpu.records.PulseList` whose entries are looked at.
        size: how many entries are looked at.
        slots: a bit per slot; an entry is kept if it pulses in any of these slots.
        base: added to the number of a line, which makes it the number of a cross-point.
        flip: exclusive-or with the sum: the highest bit reverses the direction.
    """
    whole = 0
    found = 0
    if COMPRESSES:
        # whole vectors are read: where the last one would leave the memory, the loop does it
        padded = (size + SLACK - 1) // SLACK * SLACK
        inside = source.slots + padded <= source.words.size and source.numbers + padded <= source.words.size
        whole = size if inside else padded - SLACK
        found = compress(out, source, whole, slots, base, flip)
    for i in range(whole, size):  # every entry is written, and the end moves or not: a branch could not be predicted
        kept = np.uint32(source.words[np.uintp(source.slots + i)] & slots)
        number = np.uint32(source.words[np.uintp(source.numbers + i)] + base)
        out.words[np.uintp(out.numbers + found)] = np.uint32(number ^ flip)
        out.words[np.uintp(out.slots + found)] = kept
        found += kept != 0
    return found


def list_driven(out: Any, found: Any, room: Any, lines: Any, key: Any) -> Any:
    """Append to a list those lines of a vector whose x or δ is not 0; return its new length.

    Args:
        out: takes four columns of `room` uint32 words each, one behind another, and SLACK words of junk behind the end
            of the list in each: the number of the line with the sign of its drive in the highest bit; its probability
            drive·gain as a float32; its first counter, 128 per line, plus word_0 of the key; word_1 of the key.
        found: length of the list before.
        room: words of a column.
        lines: `mho.kernels.cpu.records.LineDrive` of the lines that are looked at.
        key: `mho.kernels.cpu.records.Key` of the vector.
    """
    if COMPRESSES:
        return list_lines(out, found, room, lines, key)
    for i in range(lines.size):
        word, number = lines.values[np.uintp(lines.at + i)], np.uint32(lines.line + i)
        probability = np.uint32(word).view(np.float32) * np.uint32(lines.gain).view(np.float32)
        out[np.uintp(found)] = np.uint32(number | np.uint32(word & np.uint32(0x80000000)))
        out[np.uintp(found + room)] = np.float32(probability).view(np.uint32)
        out[np.uintp(found + 2 * room)] = np.uint32(np.uint32(number << np.uint32(7)) + key.word_0)
        out[np.uintp(found + 3 * room)] = key.word_1
        found += (word & np.uint32(0x7FFFFFFF)) != 0
    return found


def draw_single(out: Any, lines: Any, key: Any) -> Any:
    """Draw trains of a single slot; return how many lines pulse, and how many have a probability above 1.

    The 31 bits of a draw come from one word. Drawing all lines at once takes 12 µs for 64 vectors of 401 lines; with a
    list of the driven lines first it took 30.

    Args:
        out: `mho.kernels.cpu.records.PulseList` that takes the lines that pulse, with SLACK words of junk behind its
            end: their numbers with the sign of the drive in the highest bit, and slots, each 1.
        lines: `mho.kernels.cpu.records.LineDrive` of the lines that are looked at.
        key: `mho.kernels.cpu.records.Key` of the vector.
    """
    if COMPRESSES:
        return draw_lines(out, lines, key)
    found, saturated = 0, 0
    for i in range(lines.size):
        word, number = lines.values[np.uintp(lines.at + i)], np.uint32(lines.line + i)
        p = np.uint32(lines.gain).view(np.float32) * np.uint32(word & np.uint32(0x7FFFFFFF)).view(np.float32)
        saturated += p > ONE
        drawn = np.uint32(mix(np.uint32(number * COUNTERS_A_LINE), key.word_0, key.word_1) >> np.uint32(1))
        out.words[np.uintp(out.numbers + found)] = np.uint32(number | np.uint32(word & np.uint32(0x80000000)))
        out.words[np.uintp(out.slots + found)] = np.uint32(1)
        found += drawn < threshold(min(p, ONE))
    return found, saturated


def take(out: Any, to: Any, source: Any, base: Any, step: Any, points: Any, size: Any) -> None:
    """Gather out[to + i] = source[base + step·points[i]] for i < size.

    Args:
        out: takes the numbers, flat float32.
        to: where in `out` they begin.
        source: flat float32.
        base: where in `source` cross-point 0 has its number.
        step: from a cross-point to the next; 0: one number for all.
        points: numbers of cross-points, flat uint32; their highest bit is not part of the number. With AVX-512 whole
            vectors of 16 are gathered: the entries behind `size` must be valid numbers too.
        size: how many.
    """
    if step == 0:  # the field is one number for the whole array
        for i in range(size):
            out[np.uintp(to + i)] = source[np.uintp(base)]
    elif GATHERS:
        gather(out, to, source, base, step, points, size)
    else:
        for i in range(size):
            point = np.uintp(points[np.uintp(i)] & np.uint32(0x7FFFFFFF))
            out[np.uintp(to + i)] = source[np.uintp(base) + np.uintp(step) * point]


def take_fours(out: Any, to: Any, source: Any, base: Any, points: Any, size: Any) -> None:
    """Gather out[to[f] + i] = source[base + 4·points[i] + f] for f from 0 to 3 and i < size: four interleaved fields.

    Args:
        out: takes the numbers, flat float32.
        to: four places in `out`, where each field begins.
        source: flat float32.
        base: where in `source` cross-point 0 has its four numbers.
        points: as for `take`: flat uint32, the entries up to a whole vector of 16 valid numbers.
        size: how many.
    """
    if GATHERS:
        gather_fours(out, to, source, base, points, size)
    else:
        for i in range(size):
            first = np.uintp(base) + np.uintp(4) * np.uintp(points[np.uintp(i)] & np.uint32(0x7FFFFFFF))
            for f in range(4):
                out[np.uintp(to[f] + i)] = source[first + np.uintp(f)]
