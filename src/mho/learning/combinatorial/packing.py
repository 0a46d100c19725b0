"""Levels packed into as few bits as they need: two a weight for three or four levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mho.errors import InvalidValue


def bits_of(levels: int) -> int:
    """Return how many bits a weight of so many levels takes."""
    return max(1, (levels - 1).bit_length())


def pack(indices: npt.NDArray[Any], levels: int) -> npt.NDArray[np.uint8]:
    """Pack level indices (W,), each from 0 to levels - 1, into ⌈W·bits/8⌉ bytes, the lowest bit first.

    Raises:
        InvalidValue: for an index out of range.
    """
    given = np.asarray(indices, np.int64)
    if given.size and not 0 <= given.min() <= given.max() < levels:
        raise InvalidValue(
            f"levels from {given.min()} to {given.max()} do not fit into {levels}; give 0 to {levels - 1}"
        )
    planes = (given[:, None] >> np.arange(bits_of(levels))) & 1
    return np.packbits(planes.astype(np.uint8).reshape(-1), bitorder="little")


def unpack(packed: npt.NDArray[np.uint8], levels: int, weights: int) -> npt.NDArray[np.int8]:
    """Return the level indices (W,) that `pack` packed.

    Raises:
        InvalidValue: for another number of bytes, or an index that is no level.
    """
    bits = bits_of(levels)
    expected = -(-weights * bits // 8)
    if packed.shape != (expected,):
        raise InvalidValue(f"{weights} weights of {levels} levels take {expected} bytes; there are {packed.size}")
    planes = np.unpackbits(packed, count=weights * bits, bitorder="little").reshape(weights, bits).astype(np.int64)
    indices = (planes << np.arange(bits)).sum(axis=1)
    if indices.size and indices.max() >= levels:
        raise InvalidValue(f"a packed weight has the level {indices.max()}; there are {levels}")
    found: npt.NDArray[np.int8] = indices.astype(np.int8)
    return found
