"""Vector-matrix products by the BLAS of NumPy, whose order of additions depends on the machine, threads and sizes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from mho.compiler import threads
from mho.compiler.program import Step
from mho.kernels.ops import NO_COUNTS, Floats


def plan_products(weights: Floats, x: Floats, out: Floats, *, backward: bool) -> Step:
    """Plan W x of every vector, or backward Wᵀ δ, on as many threads as `mho.set_threads` says.

    Args:
        weights: (R, P, N).
        x: (R, T, N), or backward δ (R, T, M), which drives all P lines.
        out: takes the products, (R, T, P), or backward (R, T, N).
        backward: the direction.
    """
    compute_alone()
    vectors = x.shape[0] * x.shape[1]
    return lambda: threads.run(multiply, vectors, weights.size * x.shape[1], NO_COUNTS, weights, x, out, backward)


def multiply(start: int, stop: int, counts: Any, weights: Floats, x: Floats, out: Floats, backward: bool) -> None:
    """Multiply vectors `start` to `stop`, counted over replicas times T; the other arguments as for `plan_products`."""
    vectors = x.shape[1]
    compute_alone()
    with np.errstate(all="ignore"):  # the kernel behind it reports what is not finite
        for r in range(len(x)):
            begin, end = (min(max(q - r * vectors, 0), vectors) for q in (start, stop))
            if begin < end:
                product(weights[r], x[r, begin:end], backward, out[r, begin:end])


def product(w: Floats, v: Floats, backward: bool, out: Floats | None = None) -> Floats:
    """Return W v, or backward Wᵀ v, as the BLAS adds them.

    Args:
        w: (P, N).
        v: (..., N), or backward (..., M), which all P/M devices of a weight see.
        backward: the direction.
        out: takes the products; None: new memory.

    Returns:
        (..., P), or backward (..., N).
    """
    if not backward:
        return np.matmul(v, w.T, out=out)
    rows = v.shape[-1]
    return np.matmul(v, w if rows == len(w) else w.reshape(-1, rows, w.shape[1]).sum(axis=0), out=out)


def compute_alone() -> None:
    """Let the BLAS compute on the thread that calls it, from now on: arrays share their work among threads themselves.

    Some libraries have a number of threads for each calling thread, others one number for the process, which they would
    not give back safely while other threads multiply.
    """
    for library in _libraries():
        library.set_num_threads(1)


@functools.cache
def _libraries() -> list[Any]:
    """Return the BLAS libraries of this process."""
    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found
