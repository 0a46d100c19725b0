"""One weight of the last two layers, tried on the examples that it reaches: templates of kernels.

With the outputs z of an example, a weight changes z_c by w_c·d: d is the change of one hidden activation and w_c its
weights to the outputs, or, for a weight of the last layer itself, d = step·x and w is 1 at one output. So

    cross entropy:  log Σ_c e^(z_c + w_c d) - log Σ_c e^(z_c) - w_label d,
    squared error:  2 d Σ_c w_c (z_c - t_c) + d² Σ_c w_c².

Weights have few sizes: the sums of e^(z_c) over outputs of one weight are made once a weight, and a proposal costs an
example one activation, one exponential a size, and a share of one logarithm, whatever the number of outputs. Examples
whose input is 0 feel nothing: the others are gathered first (of MNIST a quarter, where a pixel is used at all).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mho.compiler.apart import stay_apart
from mho.learning.combinatorial.kernels.arithmetic import ONE, TWO, ZERO, exponential, sum_logs, sum_row
from mho.learning.combinatorial.kernels.codes import (
    AT_COUNTS,
    AT_GIVEN,
    AT_GROUPS,
    AT_HEAD,
    AT_LEVEL,
    AT_PICKED,
    AT_PULL,
    AT_SIZES,
    AT_STARTS,
    AT_TABLE,
    AT_TARGETS,
    AT_WEIGHT,
    COLUMNS,
    CROSS_ENTROPY,
    FAN_IN,
    HIDDEN,
    IN_ROW,
    INPUTS,
    KIND,
    LARGEST_BLOCK,
    LEVELS,
    MAGNITUDES,
    OPERATIONS,
    OUT_ROW,
    OUTPUTS,
    RELU,
    SIZE,
    WEIGHTS,
)
from mho.learning.combinatorial.kernels.propagation import activate, values_at

# rows of `picked`
INPUT = 0 * LARGEST_BLOCK
BEFORE = 1 * LARGEST_BLOCK
ACTIVE = 2 * LARGEST_BLOCK
OUT = 3 * LARGEST_BLOCK
STEP = 4 * LARGEST_BLOCK
BASE = 5 * LARGEST_BLOCK  # from here on see `sum_outputs`
PULL = 6 * LARGEST_BLOCK
GROUP = 7 * LARGEST_BLOCK
STEEPEST = np.float64(300.0)
"""Largest |w d| for which sums of exponentials stay exact: what they lose lies below e^(-700 + 2·300)."""


def pick_examples(f: Any, n: Any, places: Any, b: Any, weight: Any, loss: Any) -> Any:
    """Gather what trying a weight needs of the examples of block b whose input is not 0.

    Returns:
        How many examples there are.
    """
    stay_apart()
    op, out, k = weight.op, weight.out, weight.k
    picked, values = n[AT_PICKED], values_at(n, b)
    first, count = np.int64(-1), n[n[AT_COUNTS] + b]
    if is_listed(n, weight):
        start = n[AT_STARTS] + b * (n[INPUTS] + 1) + k
        first, count = n[start], n[start + 1] - n[start]
        copy(f, count, n[AT_GIVEN] + first, picked + INPUT)
    else:
        source = 0
        if k < n[op + FAN_IN]:
            source = n[op + IN_ROW] + k
        copy(f, count, values + source * n[SIZE], picked + INPUT)
    if not weight.direct:
        pick(f, places, first, count, values + (n[op + OUT_ROW] + out) * n[SIZE], picked + BEFORE)
        pick(f, places, first, count, values + (n[last_operation(n) + IN_ROW] + out) * n[SIZE], picked + ACTIVE)
    sum_outputs(f, n, places, b, weight, loss, first, count)
    return count


def last_operation(n: Any) -> Any:
    """Return where the last operation begins in the table."""
    return n[AT_TABLE] + (n[OPERATIONS] - 1) * COLUMNS


def pick(f: Any, places: Any, first: Any, count: Any, source: Any, out: Any) -> None:
    """Gather the numbers of a row at `count` listed places, or copy the row where `first` is -1."""
    if first < 0:
        copy(f, count, source, out)
        return
    for j in range(count):
        f[np.uintp(out + j)] = f[np.uintp(source + np.int64(places[np.uintp(first + j)]))]


def add_picked(f: Any, places: Any, first: Any, count: Any, weight: Any, source: Any, out: Any) -> None:
    """Add the numbers of a row, times a weight, at `count` listed places, or of the whole row where `first` is -1."""
    if first < 0:
        for s in range(count):
            f[np.uintp(out + s)] += weight * f[np.uintp(source + s)]
        return
    for j in range(count):
        f[np.uintp(out + j)] += weight * f[np.uintp(source + np.int64(places[np.uintp(first + j)]))]


def copy(f: Any, count: Any, source: Any, out: Any) -> None:
    """Copy a row."""
    for s in range(count):
        f[np.uintp(out + s)] = f[np.uintp(source + s)]


def sum_outputs(f: Any, n: Any, places: Any, b: Any, weight: Any, loss: Any, first: Any, count: Any) -> None:
    """Sum the outputs of the examples at `count` listed places by the size of their weight, into rows from BASE on.

    BASE becomes the sum of all exponentials, PULL the weight of the label's output (cross entropy) or the sum of weight
    times residual (squared error); rows GROUP + 2m and GROUP + 2m + 1 sum the exponentials of outputs whose weight is
    magnitude m, or minus it.
    """
    out, direct = weight.out, weight.direct
    size, outputs, picked = n[SIZE], n[OUTPUTS], n[AT_PICKED]
    head, entropy, rows = n[AT_HEAD] + b * (outputs + 1) * size, loss == CROSS_ENTROPY, np.int64(0)
    if entropy:
        towards = n[AT_PULL] + (b * n[HIDDEN] + out) * size
        if direct:
            towards = n[AT_TARGETS] + (b * outputs + out) * size
        pick(f, places, first, count, head + outputs * size, picked + BASE)
        pick(f, places, first, count, towards, picked + PULL)
        rows = 2 * n[MAGNITUDES]
        if direct:
            rows = np.int64(2)
    else:
        for j in range(count):
            f[np.uintp(picked + PULL + j)] = ZERO
    for g in range(rows):
        for j in range(count):
            f[np.uintp(picked + GROUP + g * LARGEST_BLOCK + j)] = ZERO
    last = last_operation(n)
    for c in range(outputs):
        factor, group = ONE, np.int64(-1)
        if not direct:
            at = n[last + WEIGHTS] + c * (n[last + FAN_IN] + 1) + out
            factor = f[n[AT_WEIGHT] + at]
            group = n[n[AT_GROUPS] + (n[OPERATIONS] - 1) * n[LEVELS] + n[n[AT_LEVEL] + at]]
        elif c == out:
            group = np.int64(0)
        if group >= 0:
            target = picked + PULL
            if entropy:
                factor, target = ONE, picked + GROUP + group * LARGEST_BLOCK
            add_picked(f, places, first, count, factor, head + c * size, target)


def log_base(f: Any, n: Any, count: Any, loss: Any) -> Any:
    """Return the summed logarithms of the present sums of exponentials of the gathered examples."""
    if loss != CROSS_ENTROPY:
        return ZERO
    copy(f, count, n[AT_PICKED] + BASE, n[AT_PICKED] + OUT)
    return sum_logs(f, n[AT_PICKED] + OUT, count)


def sum_changes(f: Any, at: Any, squares: Any, count: Any) -> Any:
    """Return the change of a squared loss, summed over examples: d·(2·pull + squares·d) of each step d, left in OUT."""
    for s in range(count):
        d = f[np.uintp(at + STEP + s)]
        f[np.uintp(at + OUT + s)] = d * (TWO * f[np.uintp(at + PULL + s)] + squares * d)
    return sum_row(f, at + OUT, count)


def find_step(f: Any, n: Any, weight: Any, step: Any, count: Any) -> None:
    """Compute d of the gathered examples into STEP; OUT becomes the activation that a hidden unit would have."""
    at = n[AT_PICKED]
    if weight.direct:
        for s in range(count):
            f[np.uintp(at + STEP + s)] = step * f[np.uintp(at + INPUT + s)]
    else:
        for s in range(count):
            f[np.uintp(at + STEP + s)] = f[np.uintp(at + BEFORE + s)] + step * f[np.uintp(at + INPUT + s)]
        activate(f, n[weight.op + COLUMNS + KIND], at + STEP, at + OUT, count)
        for s in range(count):
            f[np.uintp(at + STEP + s)] = f[np.uintp(at + OUT + s)] - f[np.uintp(at + ACTIVE + s)]


def try_step(f: Any, n: Any, weight: Any, step: Any, count: Any, loss: Any, base: Any) -> Any:
    """Return by how much the loss of the gathered examples changes if the weight changes by `step`; NaN if unsure.

    `base` comes from `log_base`.
    """
    stay_apart()
    at, direct = n[AT_PICKED], weight.direct
    find_step(f, n, weight, step, count)
    if loss != CROSS_ENTROPY:
        squares = ONE
        if not direct:
            squares = sum_squares(f, n, weight.out)
        return sum_changes(f, at, squares, count)
    magnitudes = n[MAGNITUDES]
    if direct:
        magnitudes = np.int64(1)
    copy(f, count, at + BASE, at + OUT)
    for m in range(magnitudes):
        magnitude = ONE
        if not direct:
            magnitude = f[n[AT_SIZES] + (n[OPERATIONS] - 1) * n[MAGNITUDES] + m]
        if direct or n[weight.op + COLUMNS + KIND] == RELU:
            steep = np.int64(0)
            for s in range(count):
                steep += np.int64(abs(magnitude * f[np.uintp(at + STEP + s)]) > STEEPEST)
            if steep > 0:
                return math.nan
        plus, minus = at + GROUP + 2 * m * LARGEST_BLOCK, at + GROUP + (2 * m + 1) * LARGEST_BLOCK
        for s in range(count):
            e = exponential(magnitude * f[np.uintp(at + STEP + s)])
            more = f[np.uintp(plus + s)] * (e - ONE) + f[np.uintp(minus + s)] * (ONE / e - ONE)
            f[np.uintp(at + OUT + s)] += more
    for s in range(count):
        f[np.uintp(at + STEP + s)] *= f[np.uintp(at + PULL + s)]
    return sum_logs(f, at + OUT, count) - base - sum_row(f, at + STEP, count)


def sum_squares(f: Any, n: Any, out: Any) -> Any:
    """Return Σ_c w_c² of the weights from a hidden unit to the outputs."""
    last, total = last_operation(n), ZERO
    for c in range(n[OUTPUTS]):
        weight = f[n[AT_WEIGHT] + n[last + WEIGHTS] + c * (n[last + FAN_IN] + 1) + out]
        total += weight * weight
    return total


def keep_step(f: Any, n: Any, places: Any, b: Any, weight: Any, step: Any, loss: Any) -> Any:
    """Let a weight change by `step` in a block, and return by how much the summed loss changes.

    Values are followed only where the input of an example is not 0. Exponentials are multiplied by e^(w d), with an
    error of 1e-15 each time, until all is computed afresh.
    """
    stay_apart()
    op, out, direct = weight.op, weight.out, weight.direct
    at, size, outputs = n[AT_PICKED], n[SIZE], n[OUTPUTS]
    count = pick_examples(f, n, places, b, weight, loss)
    first = np.int64(-1)
    if is_listed(n, weight):
        first = n[n[AT_STARTS] + b * (n[INPUTS] + 1) + weight.k]
    find_step(f, n, weight, step, count)
    values, last = values_at(n, b), last_operation(n)
    if not direct:
        before = values + (n[op + OUT_ROW] + out) * size
        active = values + (n[last + IN_ROW] + out) * size
        for j in range(count):
            i = place_of(places, first, j)
            f[np.uintp(before + i)] = f[np.uintp(at + BEFORE + j)] + step * f[np.uintp(at + INPUT + j)]
            f[np.uintp(active + i)] = f[np.uintp(at + OUT + j)]
    head = n[AT_HEAD] + b * (outputs + 1) * size
    for c in range(outputs):
        factor = ONE
        if not direct:
            factor = f[n[AT_WEIGHT] + n[last + WEIGHTS] + c * (n[last + FAN_IN] + 1) + out]
        elif c != out:
            factor = ZERO
        if factor != 0:
            z, own = values + (n[last + OUT_ROW] + c) * size, head + c * size
            for j in range(count):
                f[np.uintp(at + OUT + j)] = factor * f[np.uintp(at + STEP + j)]
            if loss == CROSS_ENTROPY:
                for j in range(count):
                    f[np.uintp(at + INPUT + j)] = exponential(f[np.uintp(at + OUT + j)])
                for j in range(count):
                    i = place_of(places, first, j)
                    f[np.uintp(z + i)] += f[np.uintp(at + OUT + j)]
                    f[np.uintp(own + i)] *= f[np.uintp(at + INPUT + j)]
            else:
                for j in range(count):
                    i = place_of(places, first, j)
                    f[np.uintp(z + i)] += f[np.uintp(at + OUT + j)]
                    f[np.uintp(own + i)] += f[np.uintp(at + OUT + j)]
    if loss != CROSS_ENTROPY:
        squares = ONE
        if not direct:
            squares = sum_squares(f, n, out)
        return sum_changes(f, at, squares, count)
    for j in range(count):
        f[np.uintp(at + OUT + j)] = ZERO
        f[np.uintp(at + STEP + j)] *= f[np.uintp(at + PULL + j)]
    for c in range(outputs):
        own = head + c * size
        for j in range(count):
            f[np.uintp(at + OUT + j)] += f[np.uintp(own + place_of(places, first, j))]
    total = head + outputs * size
    for j in range(count):
        f[np.uintp(total + place_of(places, first, j))] = f[np.uintp(at + OUT + j)]
    after = sum_logs(f, at + OUT, count)
    return after - sum_logs(f, at + BASE, count) - sum_row(f, at + STEP, count)


def place_of(places: Any, first: Any, j: Any) -> Any:
    """Return the place in its block of the j-th gathered example; `first` is -1 where all were gathered."""
    return np.int64(places[np.uintp(first + j)]) if first >= 0 else np.int64(j)


def is_listed(n: Any, weight: Any) -> Any:
    """Return whether the examples are listed in which the input of a weight is not 0."""
    return weight.op == n[AT_TABLE] and weight.k < n[weight.op + FAN_IN] and n[INPUTS] > 0
