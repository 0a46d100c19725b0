"""Lists of lines that pulse, and of cross-points that coincide."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.vectors import compress, gather, gather_fours

SLACK = 16  # words behind the end of a list that may be written
COMPRESSES = True  # set by the compiler: whether the machine has AVX-512


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
    on, with SLACK words of junk behind. All arrays are flat uint32. With AVX-512 a third to a quarter of the
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


def take(out: Any, to: Any, source: Any, base: Any, step: Any, cells: Any, size: Any) -> None:
    """out[to + i] = source[base + step·cell i] for the first `size` cells; their highest bits say something else.

    With AVX-512 whole vectors are taken: the cells behind must be cells too.
    """
    if step == 0:
        for i in range(size):
            out[np.uintp(to + i)] = source[np.uintp(base)]
    elif COMPRESSES:
        gather(out, to, source, base, step, cells, size)
    else:
        for i in range(size):
            cell = np.uintp(cells[np.uintp(i)] & np.uint32(0x7FFFFFFF))
            out[np.uintp(to + i)] = source[np.uintp(base) + np.uintp(step) * cell]


def take_fours(out: Any, to: Any, source: Any, base: Any, cells: Any, size: Any) -> None:
    """out[to[f] + i] = source[base + 4·cell i + f] for f from 0 to 3: as four times `take`."""
    if COMPRESSES:
        gather_fours(out, to, source, base, cells, size)
    else:
        for i in range(size):
            cell = np.uintp(base) + np.uintp(4) * np.uintp(cells[np.uintp(i)] & np.uint32(0x7FFFFFFF))
            for f in range(4):
                out[np.uintp(to[f] + i)] = source[cell + np.uintp(f)]
