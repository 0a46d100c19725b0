"""Losses of a block of examples: templates of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.apart import stay_apart
from mho.learning.combinatorial.kernels.arithmetic import ONE, UNDERFLOW, ZERO, exponential, sum_logs, sum_row
from mho.learning.combinatorial.kernels.codes import (
    AT_CHANGED,
    AT_COUNTS,
    AT_HEAD,
    AT_LABELS,
    AT_PICKED,
    AT_PROPOSED,
    AT_TARGETS,
    CROSS_ENTROPY,
    HINGE,
    LARGEST_BLOCK,
    OUTPUTS,
    ROWS,
    SIZE,
    SQUARED,
)
from mho.learning.combinatorial.kernels.propagation import values_at


def block_loss(f: Any, n: Any, b: Any, loss: Any, proposed: Any, store: Any) -> Any:
    """Return the summed loss of a block, from its present outputs or from those proposed.

    Args:
        f: the numbers of a `Memory`.
        n: its integers.
        b: the block.
        loss: CROSS_ENTROPY, SQUARED (summed over outputs), HINGE (summed over the other classes) or ZERO_ONE.
        proposed: take proposed rows where there are such.
        store: keep in `head` what single weights of the last two layers are tried with.
    """
    first = n[ROWS] - n[OUTPUTS]
    rows = values_at(n, b) + first * n[SIZE]
    if proposed:
        complete_outputs(f, n, rows, first, n[n[AT_COUNTS] + b])
        rows = n[AT_PROPOSED] + first * n[SIZE]
    if loss == CROSS_ENTROPY:
        return cross_entropy_loss(f, n, b, rows, store)
    if loss == SQUARED:
        return squared_loss(f, n, b, rows, store)
    return margin_loss(f, n, b, rows, loss == HINGE)


def complete_outputs(f: Any, n: Any, rows: Any, first: Any, count: Any) -> None:
    """Copy the present outputs of a block to where outputs are proposed, as far as none is."""
    for c in range(n[OUTPUTS]):
        if not n[n[AT_CHANGED] + first + c]:
            now, out = rows + c * n[SIZE], n[AT_PROPOSED] + (first + c) * n[SIZE]
            for s in range(count):
                f[np.uintp(out + s)] = f[np.uintp(now + s)]


def cross_entropy_loss(f: Any, n: Any, b: Any, rows: Any, store: Any) -> Any:
    """Return Σ log Σ_c e^(z_c) - z_label over a block, for outputs z of any size, which begin at `rows`."""
    stay_apart()
    size, count, outputs = n[SIZE], n[n[AT_COUNTS] + b], n[OUTPUTS]
    top, total, own = n[AT_PICKED], n[AT_PICKED] + LARGEST_BLOCK, n[AT_PICKED] + 2 * LARGEST_BLOCK
    for s in range(count):
        f[np.uintp(total + s)] = ZERO
        f[np.uintp(own + s)] = ZERO
        f[np.uintp(top + s)] = f[np.uintp(rows + s)]
    for c in range(outputs):
        z, y = rows + c * size, n[AT_TARGETS] + (b * outputs + c) * size
        for s in range(count):
            f[np.uintp(top + s)] = max(f[np.uintp(top + s)], f[np.uintp(z + s)])
            f[np.uintp(own + s)] += f[np.uintp(y + s)] * f[np.uintp(z + s)]
    e, step = n[AT_PICKED] + 3 * LARGEST_BLOCK, np.int64(0)
    if store:
        e, step = n[AT_HEAD] + b * (outputs + 1) * size, size
    for c in range(outputs):
        z = rows + c * size
        for s in range(count):
            f[np.uintp(e + s)] = exponential(max(f[np.uintp(z + s)] - f[np.uintp(top + s)], UNDERFLOW))
        for s in range(count):
            f[np.uintp(total + s)] += f[np.uintp(e + s)]
        e += step
    for s in range(count):
        f[np.uintp(e + s)] = f[np.uintp(total + s)]  # with `store` the row behind those of the outputs
        f[np.uintp(own + s)] = f[np.uintp(top + s)] - f[np.uintp(own + s)]
    return sum_logs(f, total, count) + sum_row(f, own, count)


def squared_loss(f: Any, n: Any, b: Any, rows: Any, store: Any) -> Any:
    """Return the sum over examples and outputs of (z - target)²."""
    stay_apart()
    size, count, outputs, total = n[SIZE], n[n[AT_COUNTS] + b], n[OUTPUTS], n[AT_PICKED]
    for s in range(count):
        f[np.uintp(total + s)] = ZERO
    for c in range(outputs):
        z, y = rows + c * size, n[AT_TARGETS] + (b * outputs + c) * size
        left = n[AT_PICKED] + LARGEST_BLOCK
        if store:
            left = n[AT_HEAD] + (b * (outputs + 1) + c) * size
        for s in range(count):
            f[np.uintp(left + s)] = f[np.uintp(z + s)] - f[np.uintp(y + s)]
        for s in range(count):
            f[np.uintp(total + s)] += f[np.uintp(left + s)] * f[np.uintp(left + s)]
    return sum_row(f, total, count)


def margin_loss(f: Any, n: Any, b: Any, rows: Any, hinge: Any) -> Any:
    """Return Σ_c≠label max(0, 1 + z_c - z_label) over a block, or without `hinge` how many examples are wrong.

    An example is right if no other output is larger than its own, and none before it is equal. Both losses are exact
    where outputs are integers.
    """
    stay_apart()
    size, count, outputs = n[SIZE], n[n[AT_COUNTS] + b], n[OUTPUTS]
    own, total, labels = n[AT_PICKED], n[AT_PICKED] + LARGEST_BLOCK, n[AT_LABELS] + b * size
    for s in range(count):
        f[np.uintp(own + s)] = ZERO
        f[np.uintp(total + s)] = ZERO
    for c in range(outputs):
        z, y = rows + c * size, n[AT_TARGETS] + (b * outputs + c) * size
        for s in range(count):
            f[np.uintp(own + s)] += f[np.uintp(y + s)] * f[np.uintp(z + s)]
    for c in range(outputs):
        z, y = rows + c * size, n[AT_TARGETS] + (b * outputs + c) * size
        if hinge:
            for s in range(count):
                over = max(ZERO, ONE + f[np.uintp(z + s)] - f[np.uintp(own + s)])
                f[np.uintp(total + s)] += (ONE - f[np.uintp(y + s)]) * over
        else:
            for s in range(count):
                ahead = f[np.uintp(z + s)] > f[np.uintp(own + s)]
                ahead |= (f[np.uintp(z + s)] == f[np.uintp(own + s)]) & (c < f[np.uintp(labels + s)])
                f[np.uintp(total + s)] = max(f[np.uintp(total + s)], np.float64(ahead))
    return sum_row(f, total, count)
