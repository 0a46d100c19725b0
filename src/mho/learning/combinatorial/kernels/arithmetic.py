"""Functions of float64 for kernels: LLVM makes vectors of loops over them, which it does not of libm's."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.apart import fused

ZERO = np.float64(0.0)
ONE = np.float64(1.0)
TWO = np.float64(2.0)
LOG2E = np.float64(1.4426950408889634)
MINUS_LN2_HIGH = np.float64(-0.693147180369123816490)  # -ln 2 in two parts, of which the first ends in zeros
MINUS_LN2_LOW = np.float64(-1.90821492927058770002e-10)
MAGIC = np.float64(6755399441055744.0)  # 1.5·2⁵²: what is added to it ends as an integer in its lowest bits
LN2 = np.float64(0.6931471805599453)
MANTISSA_BITS = np.int64(52)
MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
BITS_OF_ONE = np.int64(0x3FF0000000000000)
EXPONENT_OF_ONE = np.int64(1023)
E2 = np.float64(1 / 2)
E3 = np.float64(1 / 6)
E4 = np.float64(1 / 24)
E5 = np.float64(1 / 120)
E6 = np.float64(1 / 720)
E7 = np.float64(1 / 5040)
E8 = np.float64(1 / 40320)
E9 = np.float64(1 / 362880)
E10 = np.float64(1 / 3628800)
E11 = np.float64(1 / 39916800)
E12 = np.float64(1 / 479001600)
SATURATED = np.float64(20.0)  # where tanh is 1 to the last bit of float64
UNDERFLOW = np.float64(-700.0)  # where eˣ is about 1e-304, the last that is normal


def exponential(x: Any) -> Any:
    """Return eˣ for -700 ≤ x ≤ 700 with a relative error below 4e-16: twelve terms of the series on |r| ≤ ln 2 / 2."""
    t = fused(x, LOG2E, MAGIC)
    n = t - MAGIC
    r = fused(n, MINUS_LN2_LOW, fused(n, MINUS_LN2_HIGH, x))
    r2 = r * r
    r4 = r2 * r2
    low = fused(r2, fused(r, E3, E2), ONE + r)
    middle = fused(r2, fused(r, E7, E6), fused(r, E5, E4))
    high = fused(r4, E12, fused(r2, fused(r, E11, E10), fused(r, E9, E8)))
    p = fused(r4, fused(r4, high, middle), low)
    bits = np.int64(np.float64(p).view(np.int64) + (np.float64(t).view(np.int64) << MANTISSA_BITS))
    return bits.view(np.float64)


def tanh(x: Any) -> Any:
    """Return tanh x with an absolute error below 1e-15."""
    limited = min(max(x, -SATURATED), SATURATED)
    return ONE - TWO / (exponential(limited + limited) + ONE)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e⁻ˣ) with an absolute error below 1e-15."""
    limited = min(max(x, UNDERFLOW), -UNDERFLOW)
    return ONE / (ONE + exponential(-limited))


def sum_logs(rows: Any, first: Any, count: Any) -> Any:
    """Return Σ log of `count` ≤ 512 positive numbers of rows (n,) from `first`, which it overwrites.

    Exponents are added and mantissas multiplied, so that one logarithm serves all: a product of 512 mantissas, each
    below 2, is below 2⁵¹².
    """
    exponents = np.int64(0)
    for s in range(count):
        bits = np.float64(rows[np.uintp(first + s)]).view(np.int64)
        exponents += (bits >> MANTISSA_BITS) - EXPONENT_OF_ONE
        rows[np.uintp(first + s)] = np.int64((bits & MANTISSA) | BITS_OF_ONE).view(np.float64)
    left = count
    while left > 1:
        half = (left + 1) // 2
        for s in range(left - half):
            rows[np.uintp(first + s)] *= rows[np.uintp(first + half + s)]
        left = half
    return np.log(rows[np.uintp(first)]) + np.float64(exponents) * LN2


def sum_row(rows: Any, first: Any, count: Any) -> Any:
    """Return the sum of `count` numbers of rows (n,) from `first`, which it overwrites, halving by halving."""
    left = count
    while left > 1:
        half = (left + 1) // 2
        for s in range(left - half):
            rows[np.uintp(first + s)] += rows[np.uintp(first + half + s)]
        left = half
    return rows[np.uintp(first)]
