"""Exact update, for ideal devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import NOT_FINITE

ZERO = np.float32(0.0)
LARGEST = np.float32(3.4028235e38)


def outer(start: Any, stop: Any, counts: Any, state: Any, x: Any, d: Any, rate: Any) -> None:
    """Update ideal devices exactly: w_pj += (rate·δ_tp)·x_tj for t = 0, 1, ..., one vector after another.

    `mho.kernels.reference.outer` is the truth.

    Args:
        start: first line, counted over replicas times P.
        stop: the line behind the last.
        counts: (R, SIZE); steps rate·δ that are not finite are added.
        state: weights, (R, P, N); updated.
        x: (R, T, N).
        d: δ, (R, T, M); the P/M devices of a weight get the same step.
        rate: learning rate of each replica, (R,).
    """
    lines, columns, vectors, rows = state.shape[1], state.shape[2], x.shape[1], d.shape[2]
    for q in range(start, stop):
        r, p = np.uintp(q // lines), np.uintp(q % lines)
        row, lr = np.uintp(p % rows), rate[r]
        for t in range(vectors):
            step = lr * d[r, np.uintp(t), row]
            counts[r, NOT_FINITE] += not (abs(step) <= LARGEST)  # in this form NaN counts too
            if step != ZERO:
                # not fused: the reference rounds the product and the sum
                for j in range(columns):
                    state[r, p, np.uintp(j)] += step * x[r, np.uintp(t), np.uintp(j)]
