"""Lists of lines that pulse, and of cross-points that coincide."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import compress, draw_lines, gather, gather_fours, list_lines
from mho.random import COUNTERS_A_LINE, ONE, mix, threshold

SLACK = 16  # words behind the end of a list that may be written
# Set by the compiler.
COMPRESSES = True  # whether the machine has AVX2
GATHERS = True  # whether the machine has AVX-512


def append(
    out: Any,
    line_to: Any,
    word_to: Any,
    lines: Any,
    line_at: Any,
    words: Any,
    word_at: Any,
    size: Any,
    test: Any,
    keep: Any,
    base: Any,
    flip: Any,
) -> Any:
    """Pack ((line + base) ^ flip, word & keep) of the words that have a bit of `test`; returns how many.

    Looks at `size` lines and words, from line_at and word_at on; writes both into `out`, from line_to and word_to
    on, with SLACK words of junk behind. All arrays are flat uint32. In vectors it takes a third to a quarter of the
    time of the loop below.
    """
    whole = 0
    found = 0
    if COMPRESSES:
        padded = (size + SLACK - 1) // SLACK * SLACK
        inside = word_at + padded <= words.size and line_at + padded <= lines.size
        whole = size if inside else padded - SLACK
        found = compress(out, line_to, word_to, lines, line_at, words, word_at, whole, test, keep, base, flip)
    for i in range(whole, size):  # without a branch, whose outcome no machine could guess
        word = words[np.uintp(word_at + i)]
        out[np.uintp(line_to + found)] = np.uint32(np.uint32(lines[np.uintp(line_at + i)] + base) ^ flip)
        out[np.uintp(word_to + found)] = np.uint32(word & keep)
        found += (word & test) != 0
    return found


def list_driven(
    out: Any,
    found: Any,
    room: Any,
    drive: Any,
    at: Any,
    size: Any,
    gain: Any,
    key_0: Any,
    key_1: Any,
    line: Any,
) -> Any:
    """List the lines of a vector that are driven: not 0 in drive[at : at + size]; returns the new length of the list.

    Four columns of `room` words, one behind another: the line's number, counted from `line`, with the sign of its
    drive in the highest bit; its probability, the drive times `gain`; its first counter, 128 a line, plus
    `key_0`; `key_1`. Behind the end of the list SLACK words of junk are written. All are uint32.
    """
    if COMPRESSES:
        return list_lines(out, found, room, drive, at, size, gain, key_0, key_1, line)
    for i in range(size):
        word, number = drive[np.uintp(at + i)], np.uint32(line + i)
        probability = np.uint32(word).view(np.float32) * np.uint32(gain).view(np.float32)
        out[np.uintp(found)] = np.uint32(number | np.uint32(word & np.uint32(0x80000000)))
        out[np.uintp(found + room)] = np.float32(probability).view(np.uint32)
        out[np.uintp(found + 2 * room)] = np.uint32(np.uint32(number << np.uint32(7)) + key_0)
        out[np.uintp(found + 3 * room)] = key_1
        found += (word & np.uint32(0x7FFFFFFF)) != 0
    return found


def draw_single(
    out: Any,
    line_to: Any,
    word_to: Any,
    drive: Any,
    at: Any,
    size: Any,
    gain: Any,
    key_0: Any,
    key_1: Any,
    line: Any,
) -> Any:
    """Draw the only slot of the lines driven by drive[at : at + size], its 31 bits from one word each.

    Writes the numbers of those that pulse, counted from `line`, with the signs of their drives, and words of 1; behind
    their end SLACK words of junk. Returns how many pulse, and how many have a probability above 1. Listed
    first, 64 vectors of 401 take 30 µs instead of 12.
    """
    if COMPRESSES:
        return draw_lines(out, line_to, word_to, drive, at, size, gain, key_0, key_1, line)
    found, saturated = 0, 0
    for i in range(size):
        word, number = drive[np.uintp(at + i)], np.uint32(line + i)
        p = np.uint32(gain).view(np.float32) * np.uint32(word & np.uint32(0x7FFFFFFF)).view(np.float32)
        saturated += p > ONE
        drawn = np.uint32(mix(np.uint32(number * COUNTERS_A_LINE), key_0, key_1) >> np.uint32(1))
        out[np.uintp(line_to + found)] = np.uint32(number | np.uint32(word & np.uint32(0x80000000)))
        out[np.uintp(word_to + found)] = np.uint32(1)
        found += drawn < threshold(min(p, ONE))
    return found, saturated


def take(out: Any, to: Any, source: Any, base: Any, step: Any, cells: Any, size: Any) -> None:
    """out[to + i] = source[base + step·cell i] for the first `size` cells; their highest bits say something else.

    With AVX-512 whole vectors are taken: the cells behind must be cells too.
    """
    if step == 0:
        for i in range(size):
            out[np.uintp(to + i)] = source[np.uintp(base)]
    elif GATHERS:
        gather(out, to, source, base, step, cells, size)
    else:
        for i in range(size):
            cell = np.uintp(cells[np.uintp(i)] & np.uint32(0x7FFFFFFF))
            out[np.uintp(to + i)] = source[np.uintp(base) + np.uintp(step) * cell]


def take_fours(out: Any, to: Any, source: Any, base: Any, cells: Any, size: Any) -> None:
    """out[to[f] + i] = source[base + 4·cell i + f] for f from 0 to 3: as four times `take`."""
    if GATHERS:
        gather_fours(out, to, source, base, cells, size)
    else:
        for i in range(size):
            cell = np.uintp(base) + np.uintp(4) * np.uintp(cells[np.uintp(i)] & np.uint32(0x7FFFFFFF))
            for f in range(4):
                out[np.uintp(to[f] + i)] = source[cell + np.uintp(f)]
