"""Integer helpers of the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.random import vector_keys


def popcount(x: Any) -> Any:
    """Number of set bits of a uint32; LLVM turns this form into the machine's own instruction."""
    x = np.uint32(x - ((x >> np.uint32(1)) & np.uint32(0x55555555)))
    x = np.uint32((x & np.uint32(0x33333333)) + ((x >> np.uint32(2)) & np.uint32(0x33333333)))
    x = np.uint32((x + (x >> np.uint32(4))) & np.uint32(0x0F0F0F0F))
    return np.uint32(np.uint32(x * np.uint32(0x01010101)) >> np.uint32(24))


def tile_keys(keys: Any, s0: Any, s1: Any, first: Any, begin: Any, end: Any, block: Any) -> None:
    """Keys of the vectors `begin` to `end`, counted from `first`, into keys (4, n), side by side in vector lanes."""
    k0, k1, k2, k3 = keys[0], keys[1], keys[2], keys[3]
    for t in range(begin, end):
        at = np.uintp(t)
        words = vector_keys(s0, s1, np.uint64(np.uint64(first) + np.uint64(t)), block)
        k0[at], k1[at], k2[at], k3[at] = words[0], words[1], words[2], words[3]
