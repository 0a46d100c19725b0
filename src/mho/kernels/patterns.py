"""Deterministic pulse trains: the slots of a line that pulses n times, chosen so that two lines coincide n·m/BL times.

Of BL slots a column of n pulses takes the first n, and a row of m pulses takes m spread evenly: slot k where
⌊m(k + 1)/BL + ½⌋ exceeds ⌊mk/BL + ½⌋. So the first n slots hold ⌊nm/BL + ½⌋ of the row's pulses, the product rounded.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from mho.random import SLOTS_A_TRAIN, SLOTS_A_WORD

LONGEST = 64
"""Slots of the longest deterministic train."""


def first_slots(pulses: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.bool_]:
    """Return trains (lines, BL) of columns that pulse in their first slots, by their numbers of pulses (lines,)."""
    sent: npt.NDArray[np.bool_] = np.arange(length) < pulses[:, None]
    return sent


def even_slots(pulses: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.bool_]:
    """Return trains (lines, BL) of rows whose pulses are spread evenly, by their numbers of pulses (lines,)."""
    before = (2 * pulses[:, None] * np.arange(length + 1) + length) // (2 * length)
    sent: npt.NDArray[np.bool_] = np.diff(before) > 0
    return sent


@functools.cache
def packed() -> npt.NDArray[np.uint32]:
    """Return all trains as words of bits, (2, 2, LONGEST + 1, LONGEST + 1) uint32: by side, word, BL and pulses.

    Side 0 are columns, side 1 rows.
    """
    words = np.zeros((2, LONGEST // SLOTS_A_TRAIN, LONGEST + 1, LONGEST + 1), np.uint32)
    slots = np.arange(LONGEST)
    places = (8 * (slots % SLOTS_A_WORD) + slots % SLOTS_A_TRAIN // SLOTS_A_WORD).astype(np.uint32)
    bits = np.uint32(1) << places
    for side, trains in enumerate((first_slots, even_slots)):
        for length in range(1, LONGEST + 1):
            sent = np.zeros((length + 1, LONGEST), np.uint32)
            sent[:, :length] = trains(np.arange(length + 1), length)
            words[side, :, length, : length + 1] = (
                (sent * bits).reshape(length + 1, -1, SLOTS_A_TRAIN).sum(axis=2, dtype=np.uint32).T
            )
    words.flags.writeable = False
    return words
