"""Random numbers of a spectral RNN: named by seed, purpose and number, from generators without a state."""

from __future__ import annotations

import enum

import numpy as np

from mho import random
from mho.learning.spectral.arrays import Floats

NAME = "spectral rnn"


class Purpose(enum.IntEnum):
    """Purpose of random numbers. The values are part of every result: never renumber."""

    RESTARTS = 0


def normal(seed: int, purpose: Purpose, number: int, shape: tuple[int, ...]) -> Floats:
    """Return standard normal numbers of a shape (float64, of float32's resolution).

    Args:
        seed: from 0 to 2⁶³ - 1.
        purpose: what for.
        number: from 0 to 2⁶⁴ - 1, for example of the unit that is looked for.
        shape: shape of the result.
    """
    count = int(np.prod(shape))
    key = np.array([seed, random.array_number(NAME)], np.uint64)
    raw = np.random.Philox(key=key, counter=np.array([0, 0, number, purpose], np.uint64)).random_raw((count + 1) // 2)
    words = np.asarray(raw, "<u8").view("<u4")[:count]
    return np.asarray(random.normal(words), np.float64).reshape(shape)
