"""Names of types, and symmetric matrices as rows of their upper triangles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pairs(size: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return rows and columns of the upper triangle of a (size, size) matrix: size·(size + 1)/2 places each."""
    return np.triu_indices(size)


def unpacked(packed: Floats) -> Floats:
    """Return symmetric matrices (..., size, size) of their upper triangles (..., size·(size + 1)/2)."""
    size = (int(np.sqrt(8 * packed.shape[-1] + 1)) - 1) // 2
    rows, columns = pairs(size)
    whole = np.empty((*packed.shape[:-1], size, size))
    whole[..., rows, columns] = packed
    whole[..., columns, rows] = packed
    return whole


def packed(whole: Floats) -> Floats:
    """Return the upper triangles (..., size·(size + 1)/2) of matrices (..., size, size)."""
    rows, columns = pairs(whole.shape[-1])
    return whole[..., rows, columns]


def symmetric_power(matrix: Floats, exponent: float) -> Floats:
    """Return a power of a symmetric positive matrix (size, size)."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)
