"""Integer helpers of the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np


def popcount(x: Any) -> Any:
    """Number of set bits of a uint32; LLVM turns this form into the machine's own instruction."""
    x = np.uint32(x - ((x >> np.uint32(1)) & np.uint32(0x55555555)))
    x = np.uint32((x & np.uint32(0x33333333)) + ((x >> np.uint32(2)) & np.uint32(0x33333333)))
    x = np.uint32((x + (x >> np.uint32(4))) & np.uint32(0x0F0F0F0F))
    return np.uint32(np.uint32(x * np.uint32(0x01010101)) >> np.uint32(24))
