"""What lies between arrays: copies, digital factors, and the slopes of activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

ZERO = np.float32(0.0)
ONE = np.float32(1.0)


def copy_columns(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Rows `start` to `stop` of values (n, k) into those of out (n, m): the columns that both have."""
    columns = min(values.shape[1], out.shape[1])
    for i in range(start, stop):
        row, target = values[np.uintp(i)], out[np.uintp(i)]
        for j in range(columns):
            target[np.uintp(j)] = row[np.uintp(j)]


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
