"""Rounding of compiled back ends in NumPy: products that are added with one rounding, in index order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mho.kernels.ops import Floats


def product(w: Floats, v: Floats, backward: bool) -> Floats:
    """Return W v, or backward Wᵀ v, summed term by term in index order, each product added with one rounding.

    Args:
        w: (P, N).
        v: (N,), or backward (M,), which all P/M devices of a weight see.
        backward: the direction.

    Returns:
        (P,), or backward (N,).
    """
    columns = w if not backward else w.T
    terms = v if not backward else np.tile(v, w.shape[0] // v.size)
    total = np.zeros(columns.shape[0], np.float32)
    with np.errstate(over="ignore"):
        for term, column in zip(terms, columns.T, strict=True):
            total = fused(column, term, total)
    return total


def fused(a: Floats, b: np.float32, c: Floats) -> Floats:
    """Return a·b + c of float32 numbers, rounded once.

    The product is exact in float64. The sum is rounded to odd there (S. Boldo, G. Melquiond 2008): where it is not
    exact, to the neighbour whose last bit is set, so that the second rounding, to float32, gives what a single rounding
    would.
    """
    product = np.multiply(a, b, dtype=np.float64)
    total: npt.NDArray[np.float64] = product + c
    rest = total - product
    error = (product - (total - rest)) + (c - rest)
    if error.any():
        bits = total.view(np.int64)
        odd = np.where((error > 0) == (total > 0), bits + 1, bits - 1).view(np.float64)
        total = np.where(np.isfinite(total) & (error != 0) & (bits % 2 == 0), odd, total)
    return total.astype(np.float32)


def in_steps(values: Floats, step: np.float32) -> Floats:
    """Return values rounded to whole steps of a converter; a step of 0 leaves them as they are."""
    return values if step == 0 else np.rint(values / step) * step
