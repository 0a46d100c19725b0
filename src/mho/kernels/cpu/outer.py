"""Exact update, for ideal devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import NOT_FINITE

ZERO = np.float32(0.0)
LARGEST = np.float32(3.4028235e38)


def outer(start: Any, stop: Any, counts: Any, state: Any, x: Any, d: Any, rate: Any) -> None:
    """w_pj += (rate_r·d_tp)·x_tj for t = 0, 1, ..., on lines `start` to `stop` of R·P.

    state (R, P, N), x (R, T, N), d (R, T, M), rate (R,), all float32; P is M times the devices of a weight.
    """
    lines, columns, vectors, rows = state.shape[1], state.shape[2], x.shape[1], d.shape[2]
    for q in range(start, stop):
        r, p = np.uintp(q // lines), np.uintp(q % lines)
        row, lr = np.uintp(p % rows), rate[r]
        for t in range(vectors):
            step = lr * d[r, np.uintp(t), row]
            counts[r, NOT_FINITE] += not (abs(step) <= LARGEST)
            if step != ZERO:
                for j in range(columns):
                    state[r, p, np.uintp(j)] += step * x[r, np.uintp(t), np.uintp(j)]
