"""What lies between arrays: copies, digital factors, and the slopes of activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LARGEST = np.float32(3.4028235e38)


def copy_columns(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Rows `start` to `stop` of values (n, k) into those of out (n, m): the columns that both have."""
    columns = min(values.shape[1], out.shape[1])
    for i in range(start, stop):
        row, target = values[np.uintp(i)], out[np.uintp(i)]
        for j in range(columns):
            target[np.uintp(j)] = row[np.uintp(j)]


def add(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Add values to out; flat."""
    for i in range(values.size if stop > start else 0):
        out[np.uintp(i)] += values[np.uintp(i)]


def clear(start: Any, stop: Any, counts: Any, values: Any) -> None:
    """Set all to 0; flat."""
    for i in range(values.size if stop > start else 0):
        values[np.uintp(i)] = ZERO


def stretch(start: Any, stop: Any, counts: Any, values: Any, factors: Any, out: Any) -> None:
    """Rows `start` to `stop` of R·T: out (R, T, n) = values (R, T, n) times factors (R, n)."""
    vectors, columns = values.shape[1], values.shape[2]
    for q in range(start, stop):
        r, t = np.uintp(q // vectors), np.uintp(q % vectors)
        for j in range(columns):
            out[r, t, np.uintp(j)] = values[r, t, np.uintp(j)] * factors[r, np.uintp(j)]


def shrink(start: Any, stop: Any, counts: Any, values: Any, factors: Any, out: Any) -> None:
    """Rows `start` to `stop` of R·T: out (R, T, n) = values (R, T, n) divided by factors (R, n)."""
    vectors, columns = values.shape[1], values.shape[2]
    for q in range(start, stop):
        r, t = np.uintp(q // vectors), np.uintp(q % vectors)
        for j in range(columns):
            out[r, t, np.uintp(j)] = values[r, t, np.uintp(j)] / factors[r, np.uintp(j)]


def bend_tanh(start: Any, stop: Any, counts: Any, errors: Any, y: Any, out: Any) -> None:
    """out = errors (1 - y²); flat."""
    for i in range(y.size if stop > start else 0):
        value = y[np.uintp(i)]
        out[np.uintp(i)] = errors[np.uintp(i)] * (ONE - value * value)


def bend_sigmoid(start: Any, stop: Any, counts: Any, errors: Any, y: Any, out: Any) -> None:
    """out = errors y (1 - y); flat."""
    for i in range(y.size if stop > start else 0):
        value = y[np.uintp(i)]
        out[np.uintp(i)] = errors[np.uintp(i)] * (value * (ONE - value))


def bend_relu(start: Any, stop: Any, counts: Any, errors: Any, y: Any, out: Any) -> None:
    """out = errors where y is above 0, else 0; flat."""
    for i in range(y.size if stop > start else 0):
        out[np.uintp(i)] = errors[np.uintp(i)] * (ONE if y[np.uintp(i)] > ZERO else ZERO)


def level(
    start: Any,
    stop: Any,
    counts: Any,
    x: Any,
    d: Any,
    mean_x: Any,
    mean_d: Any,
    seen: Any,
    vectors: Any,
    level_x: Any,
    level_d: Any,
) -> None:
    """Divide x and δ by running means of their largest sizes, for replicas `start` to `stop`, vector after vector.

    x (R, T, N), d (R, T, M); mean_x, mean_d, seen (R,) float32 are updated: the means are plain ones over the first
    `vectors` vectors, and move by 1/`vectors` of the difference after that; a vector without a finite largest |x| and
    |δ| above 0 leaves them. Written: level_x (R, T, N) = x / mean_x and level_d (R, T, M) = δ / mean_d, 0 as long as
    there is no mean.
    """
    for q in range(start, stop):
        r = np.uintp(q)
        for i in range(x.shape[1]):
            t = np.uintp(i)
            x_max, d_max = ZERO, ZERO
            for j in range(x.shape[2]):
                x_max = max(x_max, abs(x[r, t, np.uintp(j)]))
            for j in range(d.shape[2]):
                d_max = max(d_max, abs(d[r, t, np.uintp(j)]))
            if ZERO < x_max <= LARGEST and ZERO < d_max <= LARGEST:
                seen[r] = min(seen[r] + ONE, np.float32(vectors))
                mean_x[r] += (x_max - mean_x[r]) / seen[r]
                mean_d[r] += (d_max - mean_d[r]) / seen[r]
            for j in range(x.shape[2]):
                level_x[r, t, np.uintp(j)] = x[r, t, np.uintp(j)] / mean_x[r] if seen[r] > ZERO else ZERO
            for j in range(d.shape[2]):
                level_d[r, t, np.uintp(j)] = d[r, t, np.uintp(j)] / mean_d[r] if seen[r] > ZERO else ZERO
