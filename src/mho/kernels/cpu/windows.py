"""Trains of an update in which every column takes part in some of the vectors only."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.cpu.lists import SLACK

INDEX = np.uint32(0x7FFFFFFF)


def select(
    start: Any,
    stop: Any,
    counts: Any,
    trains: Any,
    found: Any,
    begin: Any,
    end: Any,
    words: Any,
    kept: Any,
    kept_found: Any,
) -> None:
    """Copy what columns with begin[j] ≤ t < end[j] send in vector t, for replicas `start` to `stop`.

    trains (R, 2, L) and found (R, T·words, 2) as `mho.kernels.cpu.trains` writes them, and kept, kept_found alike, for
    the columns that are left; begin, end (N,). A column that is left out meets none of its coincidences.
    """
    for r in range(start, stop):
        place = 0
        for k in range(found.shape[1]):
            t = k // words
            first, driven = found[r, k, 0], found[r, k, 1]
            kept_found[r, k, 0] = place
            for i in range(first, first + driven):
                line = trains[r, 0, i]
                column = line & INDEX
                if begin[column] <= t and t < end[column]:
                    kept[r, 0, place] = line
                    kept[r, 1, place] = trains[r, 1, i]
                    place += 1
            kept_found[r, k, 1] = place - kept_found[r, k, 0]
            place += SLACK
