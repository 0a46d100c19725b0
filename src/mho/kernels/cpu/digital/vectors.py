"""Arithmetic of vectors between arrays: copies, sums, factors, means, and the derivatives of activation functions.

Flat kernels (add, clear, slope_*) do all of their work in the call whose part is not empty: they are too short to
share.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LARGEST = np.float32(3.4028235e38)


def copy_columns(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Copy the columns that two matrices share.

    Args:
        start: first row.
        stop: the row behind the last.
        counts: not added to.
        values: (n, k).
        out: (n, m); the first min(k, m) columns of these rows are written.
    """
    columns = min(values.shape[1], out.shape[1])
    for i in range(start, stop):
        row, target = values[np.uintp(i)], out[np.uintp(i)]
        for j in range(columns):
            target[np.uintp(j)] = row[np.uintp(j)]


def copy_rows(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Copy rows, and set what out has more of columns to 1.

    Args:
        start: first row.
        stop: the row behind the last.
        counts: not added to.
        values: (n, k).
        out: (n, m), m ≥ k; these rows are written.
    """
    columns = values.shape[1]
    for i in range(start, stop):
        row, target = values[np.uintp(i)], out[np.uintp(i)]
        for j in range(columns):
            target[np.uintp(j)] = row[np.uintp(j)]
        for j in range(columns, out.shape[1]):
            target[np.uintp(j)] = ONE


def count_on(start: Any, stop: Any, counts: Any, number: Any, vectors: Any) -> None:
    """Compute number += vectors.

    Args:
        start: 0.
        stop: 1; equal to `start`: nothing is done.
        counts: not added to.
        number: (n,) int64.
        vectors: integer.
    """
    if stop > start:
        for i in range(number.size):
            number[i] += vectors


def add(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Compute out += values.

    Args:
        start: 0.
        stop: 1; equal to `start`: nothing is done.
        counts: not added to.
        values: flat.
        out: flat, of the same size.
    """
    for i in range(values.size if stop > start else 0):
        out[np.uintp(i)] += values[np.uintp(i)]


def clear(start: Any, stop: Any, counts: Any, values: Any) -> None:
    """Set all values to 0.

    Args:
        start: 0.
        stop: 1; equal to `start`: nothing is done.
        counts: not added to.
        values: flat.
    """
    for i in range(values.size if stop > start else 0):
        values[np.uintp(i)] = ZERO


def multiply_columns(start: Any, stop: Any, counts: Any, values: Any, factors: Any, out: Any) -> None:
    """Multiply every column by its factor.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: not added to.
        values: (R, T, n).
        factors: (R, n).
        out: takes values·factors, (R, T, n).
    """
    scale_columns(start, stop, values, factors, out, False)


def divide_columns(start: Any, stop: Any, counts: Any, values: Any, factors: Any, out: Any) -> None:
    """Divide every column by its factor.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: not added to.
        values: (R, T, n).
        factors: (R, n), none of them 0.
        out: takes values/factors, (R, T, n).
    """
    scale_columns(start, stop, values, factors, out, True)


def scale_columns(start: Any, stop: Any, values: Any, factors: Any, out: Any, divides: Any) -> None:
    """Multiply every column by its factor or, with `divides`, which is a constant, divide it."""
    vectors, columns = values.shape[1], values.shape[2]
    for q in range(start, stop):
        r, t = np.uintp(q // vectors), np.uintp(q % vectors)
        for j in range(columns):
            value, factor = values[r, t, np.uintp(j)], factors[r, np.uintp(j)]
            out[r, t, np.uintp(j)] = value / factor if divides else value * factor


def slope_tanh(start: Any, stop: Any, counts: Any, errors: Any, y: Any, out: Any) -> None:
    """Compute out = errors·(1 - y²), the backward pass of y = tanh x.

    Args:
        start: 0.
        stop: 1; equal to `start`: nothing is done.
        counts: not added to.
        errors: δ of y, flat.
        y: values of the function, flat.
        out: takes δ of x, flat.
    """
    for i in range(y.size if stop > start else 0):
        value = y[np.uintp(i)]
        out[np.uintp(i)] = errors[np.uintp(i)] * (ONE - value * value)


def slope_sigmoid(start: Any, stop: Any, counts: Any, errors: Any, y: Any, out: Any) -> None:
    """Compute out = errors·y·(1 - y), the backward pass of y = 1/(1 + e⁻ˣ); arguments as of `slope_tanh`."""
    for i in range(y.size if stop > start else 0):
        value = y[np.uintp(i)]
        out[np.uintp(i)] = errors[np.uintp(i)] * (value * (ONE - value))


def slope_relu(start: Any, stop: Any, counts: Any, errors: Any, y: Any, out: Any) -> None:
    """Compute out = errors where y > 0, else 0, the backward pass of y = max(x, 0); arguments as of `slope_tanh`."""
    for i in range(y.size if stop > start else 0):
        out[np.uintp(i)] = errors[np.uintp(i)] * (ONE if y[np.uintp(i)] > ZERO else ZERO)


def normalise(
    start: Any, stop: Any, counts: Any, x: Any, d: Any, means: Any, vectors: Any, new_x: Any, new_d: Any
) -> None:
    """Divide x and δ of each vector by the running means of the largest |x| and the largest |δ|.

    The means are plain means over the first `vectors` vectors, and move by 1/`vectors` of the difference after that. A
    vector updates them before it is divided, unless its largest |x| or |δ| is 0, infinite or NaN.

    Args:
        start: first replica.
        stop: the replica behind the last.
        counts: not added to.
        x: (R, T, N).
        d: δ, (R, T, M).
        means: `mho.kernels.records.Means`, updated.
        vectors: number of vectors over which the means are taken, at most.
        new_x: takes x over its mean, (R, T, N); 0 as long as there is no mean.
        new_d: takes δ over its mean, (R, T, M); 0 as long as there is no mean.
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
            # NaN or infinity must not enter a mean, in which it would stay
            if ZERO < x_max <= LARGEST and ZERO < d_max <= LARGEST:
                means.seen[r] = min(means.seen[r] + ONE, np.float32(vectors))
                means.x[r] += (x_max - means.x[r]) / means.seen[r]
                means.d[r] += (d_max - means.d[r]) / means.seen[r]
            for j in range(x.shape[2]):
                new_x[r, t, np.uintp(j)] = x[r, t, np.uintp(j)] / means.x[r] if means.seen[r] > ZERO else ZERO
            for j in range(d.shape[2]):
                new_d[r, t, np.uintp(j)] = d[r, t, np.uintp(j)] / means.d[r] if means.seen[r] > ZERO else ZERO
