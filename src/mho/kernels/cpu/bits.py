"""Integer helpers of the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.random import vector_keys


def popcount(x: Any) -> Any:
    """Return the number of set bits of a uint32."""
    # LLVM knows this form and makes it the machine's popcount instruction, in vectors too
    x = np.uint32(x - ((x >> np.uint32(1)) & np.uint32(0x55555555)))
    x = np.uint32((x & np.uint32(0x33333333)) + ((x >> np.uint32(2)) & np.uint32(0x33333333)))
    x = np.uint32((x + (x >> np.uint32(4))) & np.uint32(0x0F0F0F0F))
    return np.uint32(np.uint32(x * np.uint32(0x01010101)) >> np.uint32(24))


def fill_keys(keys: Any, s0: Any, s1: Any, first: Any, begin: Any, end: Any, block: Any) -> None:
    """Write the keys of the vectors `begin` to `end` of a stream.

    Args:
        keys: takes four words per vector, (4, n) uint32, at the columns `begin` to `end`.
        s0: first word of the stream's key.
        s1: second word.
        first: number of vector 0.
        begin: first vector.
        end: the vector behind the last.
        block: block of the counter, as for `mho.random.vector_keys`.
    """
    # words of different vectors lie side by side, so that LLVM computes sixteen vectors at a time
    k0, k1, k2, k3 = keys[0], keys[1], keys[2], keys[3]
    for t in range(begin, end):
        at = np.uintp(t)
        words = vector_keys(s0, s1, np.uint64(np.uint64(first) + np.uint64(t)), block)
        k0[at], k1[at], k2[at], k3[at] = words[0], words[1], words[2], words[3]
