"""Propagation of values from weights, and of the change of one weight on its way up: templates of kernels.

f are the numbers and n the integers of a `Memory`. Rows are known by where they begin in f.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.apart import stay_apart
from mho.learning.combinatorial.kernels.arithmetic import ONE, ZERO, sigmoid, tanh
from mho.learning.combinatorial.kernels.codes import (
    AT_CHANGED,
    AT_CHANGES,
    AT_CHANNELS,
    AT_COUNTS,
    AT_MOVED,
    AT_PROPOSED,
    AT_TERM_ROWS,
    AT_TERM_WEIGHTS,
    AT_VALUES,
    AT_WEIGHT,
    CONV,
    COUNT_PADDING,
    DENSE,
    FAN_IN,
    IN_CHANNELS,
    IN_HEIGHT,
    IN_ROW,
    IN_ROWS,
    IN_WIDTH,
    KERNEL_HEIGHT,
    KERNEL_WIDTH,
    KIND,
    MAX_POOL,
    OUT_HEIGHT,
    OUT_ROW,
    OUT_ROWS,
    OUT_WIDTH,
    PADDING_X,
    PADDING_Y,
    RELU,
    ROWS,
    SIGMOID,
    SIZE,
    STRIDE_X,
    STRIDE_Y,
    TANH,
    WEIGHTS,
)


def values_at(n: Any, b: Any) -> Any:
    """Return where the values of a block begin."""
    return n[AT_VALUES] + b * n[ROWS] * n[SIZE]


def activate(f: Any, kind: Any, given: Any, out: Any, count: Any) -> None:
    """Apply an activation function to `count` numbers."""
    stay_apart()
    if kind == TANH:
        for s in range(count):
            f[np.uintp(out + s)] = tanh(f[np.uintp(given + s)])
    elif kind == RELU:
        for s in range(count):
            f[np.uintp(out + s)] = max(f[np.uintp(given + s)], ZERO)
    elif kind == SIGMOID:
        for s in range(count):
            f[np.uintp(out + s)] = sigmoid(f[np.uintp(given + s)])
    else:
        for s in range(count):
            f[np.uintp(out + s)] = min(max(f[np.uintp(given + s)], -ONE), ONE)


def start_change(f: Any, n: Any, b: Any, weight: Any, step: Any) -> None:
    """Propose the pre-activations of a weight's operation for block b when the weight changes by `step`."""
    stay_apart()
    op, out, k = weight.op, weight.out, weight.k
    if n[op + KIND] == DENSE:
        source = 0
        if k < n[op + FAN_IN]:
            source = n[op + IN_ROW] + k
        shift_row(f, n, b, n[op + OUT_ROW] + out, source, step)
        return
    area = n[op + OUT_HEIGHT] * n[op + OUT_WIDTH]
    window = n[op + KERNEL_HEIGHT] * n[op + KERNEL_WIDTH]
    channel, rest = k // window, k % window
    ky, kx = rest // n[op + KERNEL_WIDTH], rest % n[op + KERNEL_WIDTH]
    for p in range(area):
        y = (p // n[op + OUT_WIDTH]) * n[op + STRIDE_Y] + ky - n[op + PADDING_Y]
        x = (p % n[op + OUT_WIDTH]) * n[op + STRIDE_X] + kx - n[op + PADDING_X]
        source = n[op + IN_ROW] + (channel * n[op + IN_HEIGHT] + y) * n[op + IN_WIDTH] + x
        inside = y >= 0 and y < n[op + IN_HEIGHT] and x >= 0 and x < n[op + IN_WIDTH]
        if k >= n[op + FAN_IN]:
            source, inside = 0, True
        if inside:
            shift_row(f, n, b, n[op + OUT_ROW] + out * area + p, source, step)


def shift_row(f: Any, n: Any, b: Any, target: Any, source: Any, step: Any) -> None:
    """Propose a row of values that is the present row plus `step` times the row of an input."""
    size, count = n[SIZE], n[n[AT_COUNTS] + b]
    new, old, given = n[AT_PROPOSED] + target * size, values_at(n, b) + target * size, values_at(n, b) + source * size
    for s in range(count):
        f[np.uintp(new + s)] = f[np.uintp(old + s)] + step * f[np.uintp(given + s)]
    n[n[AT_CHANGED] + target] = 1


def follow_change(f: Any, n: Any, b: Any, op: Any) -> None:
    """Propose the outputs of an operation for a block from those of its inputs that are proposed."""
    stay_apart()
    if n[op + KIND] == DENSE or n[op + KIND] == CONV:
        follow_weighted(f, n, b, op)
        return
    for r in range(n[op + OUT_ROWS]):
        touched, pooled = False, n[op + KIND] >= MAX_POOL
        if pooled:
            touched = window_changed(n, op, r)
        else:
            touched = n[n[AT_CHANGED] + n[op + IN_ROW] + r] != 0
        if touched:
            target = n[op + OUT_ROW] + r
            new, old = n[AT_PROPOSED] + target * n[SIZE], values_at(n, b) + target * n[SIZE]
            if pooled:
                pool_window(f, n, b, op, r, new, True)
            else:
                given = n[AT_PROPOSED] + (n[op + IN_ROW] + r) * n[SIZE]
                activate(f, n[op + KIND], given, new, n[n[AT_COUNTS] + b])
            n[n[AT_CHANGED] + target] = differs(f, new, old, n[n[AT_COUNTS] + b])


def differs(f: Any, new: Any, old: Any, count: Any) -> Any:
    """Return 1 if two rows differ, else 0: a row that stays as it is has not changed."""
    several = np.int64(0)
    for s in range(count):
        several += np.int64(f[np.uintp(new + s)] != f[np.uintp(old + s)])
    return np.int64(several > 0)


def window_of(n: Any, op: Any, r: Any) -> Any:
    """Return first input row, height and width of the part of a pooling window that lies in the image."""
    area = n[op + OUT_HEIGHT] * n[op + OUT_WIDTH]
    channel, p = r // area, r % area
    y0 = (p // n[op + OUT_WIDTH]) * n[op + STRIDE_Y] - n[op + PADDING_Y]
    x0 = (p % n[op + OUT_WIDTH]) * n[op + STRIDE_X] - n[op + PADDING_X]
    y, x = max(y0, 0), max(x0, 0)
    height = min(y0 + n[op + KERNEL_HEIGHT], n[op + IN_HEIGHT]) - y
    width = min(x0 + n[op + KERNEL_WIDTH], n[op + IN_WIDTH]) - x
    return n[op + IN_ROW] + (channel * n[op + IN_HEIGHT] + y) * n[op + IN_WIDTH] + x, height, width


def window_changed(n: Any, op: Any, r: Any) -> Any:
    """Return whether a row in the window of a pooling's output changed."""
    first, height, width = window_of(n, op, r)
    touched = False
    for i in range(height):
        for j in range(width):
            touched |= n[n[AT_CHANGED] + first + i * n[op + IN_WIDTH] + j] != 0
    return touched


def pool_window(f: Any, n: Any, b: Any, op: Any, r: Any, out: Any, proposed: Any) -> None:
    """Pool one window into a row: of proposed rows where there are such, else of present values."""
    stay_apart()
    first, height, width = window_of(n, op, r)
    count, largest = n[n[AT_COUNTS] + b], n[op + KIND] == MAX_POOL
    for i in range(height):
        for j in range(width):
            source = first + i * n[op + IN_WIDTH] + j
            given = values_at(n, b) + source * n[SIZE]
            if proposed and n[n[AT_CHANGED] + source]:
                given = n[AT_PROPOSED] + source * n[SIZE]
            if i + j == 0:
                for s in range(count):
                    f[np.uintp(out + s)] = f[np.uintp(given + s)]
            elif largest:
                for s in range(count):
                    f[np.uintp(out + s)] = max(f[np.uintp(out + s)], f[np.uintp(given + s)])
            else:
                for s in range(count):
                    f[np.uintp(out + s)] += f[np.uintp(given + s)]
    if not largest:
        whole = n[op + KERNEL_HEIGHT] * n[op + KERNEL_WIDTH]
        if not n[op + COUNT_PADDING]:
            whole = height * width
        share = ONE / np.float64(whole)
        for s in range(count):
            f[np.uintp(out + s)] *= share


def follow_weighted(f: Any, n: Any, b: Any, op: Any) -> None:
    """Propose outputs of a layer with weights: present values plus weights times the changes of the inputs."""
    stay_apart()
    size, count, moved = n[SIZE], n[n[AT_COUNTS] + b], np.int64(0)
    for r in range(n[op + IN_ROW], n[op + IN_ROW] + n[op + IN_ROWS]):
        if n[n[AT_CHANGED] + r]:
            new, old, out = n[AT_PROPOSED] + r * size, values_at(n, b) + r * size, n[AT_CHANGES] + r * size
            for s in range(count):
                f[np.uintp(out + s)] = f[np.uintp(new + s)] - f[np.uintp(old + s)]
            n[n[AT_MOVED] + moved] = r
            moved += 1
    if moved == 0:
        return
    if n[op + KIND] == CONV:
        note_channels(n, op)
    for r in range(n[op + OUT_ROWS]):
        terms = list_terms(f, n, op, r, moved)
        if terms:
            target = n[op + OUT_ROW] + r
            new, old = n[AT_PROPOSED] + target * size, values_at(n, b) + target * size
            for s in range(count):
                f[np.uintp(new + s)] = f[np.uintp(old + s)]
            add_terms(f, n, n[AT_CHANGES], new, terms, count)
            n[n[AT_CHANGED] + target] = 1


def note_channels(n: Any, op: Any) -> None:
    """Note which input channels of a convolution hold a changed row: most hold none, and are passed over."""
    area = n[op + IN_HEIGHT] * n[op + IN_WIDTH]
    for channel in range(n[op + IN_CHANNELS]):
        several = np.int64(0)
        for p in range(area):
            several += n[np.uintp(n[AT_CHANGED] + n[op + IN_ROW] + channel * area + p)]
        n[n[AT_CHANNELS] + channel] = several


def list_terms(f: Any, n: Any, op: Any, r: Any, moved: Any) -> Any:
    """List the input rows, and the weights other than 0, that an output row sums.

    Args:
        f: the numbers of a `Memory`.
        n: its integers.
        op: where the layer begins in the table.
        r: the output.
        moved: how many input rows are changed, of which alone the sum is; they are listed at AT_MOVED. -1: all rows.

    Returns:
        How many rows are listed.
    """
    stay_apart()
    terms, rows, weights = np.int64(0), n[AT_TERM_ROWS], n[AT_TERM_WEIGHTS]
    if n[op + KIND] == DENSE:
        first = n[AT_WEIGHT] + n[op + WEIGHTS] + r * (n[op + FAN_IN] + 1)
        inputs = n[op + IN_ROWS]
        if moved >= 0:
            inputs = moved
        for j in range(inputs):
            source = n[op + IN_ROW] + j
            if moved >= 0:
                source = n[n[AT_MOVED] + j]
            weight = f[first + source - n[op + IN_ROW]]
            if weight != 0:
                n[rows + terms] = source
                f[weights + terms] = weight
                terms += 1
        return terms
    area = n[op + OUT_HEIGHT] * n[op + OUT_WIDTH]
    out, p = r // area, r % area
    y0 = (p // n[op + OUT_WIDTH]) * n[op + STRIDE_Y] - n[op + PADDING_Y]
    x0 = (p % n[op + OUT_WIDTH]) * n[op + STRIDE_X] - n[op + PADDING_X]
    window = n[op + KERNEL_HEIGHT] * n[op + KERNEL_WIDTH]
    first = n[AT_WEIGHT] + n[op + WEIGHTS] + out * (n[op + FAN_IN] + 1)
    for channel in range(n[op + IN_CHANNELS]):
        if moved >= 0 and not n[n[AT_CHANNELS] + channel]:
            continue
        base = n[op + IN_ROW] + channel * n[op + IN_HEIGHT] * n[op + IN_WIDTH]
        for ky in range(max(0, -y0), min(n[op + KERNEL_HEIGHT], n[op + IN_HEIGHT] - y0)):
            for kx in range(max(0, -x0), min(n[op + KERNEL_WIDTH], n[op + IN_WIDTH] - x0)):
                source = base + (y0 + ky) * n[op + IN_WIDTH] + x0 + kx
                weight = f[first + channel * window + ky * n[op + KERNEL_WIDTH] + kx]
                if weight != 0 and (moved < 0 or n[n[AT_CHANGED] + source]):
                    n[rows + terms] = source
                    f[weights + terms] = weight
                    terms += 1
    return terms


def add_terms(f: Any, n: Any, source: Any, out: Any, terms: Any, count: Any) -> None:
    """Add the listed rows of a matrix, each times its weight, to a row: four at a time, which share what they store."""
    stay_apart()
    size, rows, weights = n[SIZE], n[AT_TERM_ROWS], n[AT_TERM_WEIGHTS]
    fours = terms // 4 * 4
    for t in range(0, fours, 4):
        p, q = source + n[rows + t] * size, source + n[rows + t + 1] * size
        u, v = source + n[rows + t + 2] * size, source + n[rows + t + 3] * size
        wp, wq, wu, wv = f[weights + t], f[weights + t + 1], f[weights + t + 2], f[weights + t + 3]
        for s in range(count):
            sums = (f[np.uintp(out + s)] + wp * f[np.uintp(p + s)]) + wq * f[np.uintp(q + s)]
            f[np.uintp(out + s)] = (sums + wu * f[np.uintp(u + s)]) + wv * f[np.uintp(v + s)]
    for t in range(fours, terms):
        p, wp = source + n[rows + t] * size, f[weights + t]
        for s in range(count):
            f[np.uintp(out + s)] += wp * f[np.uintp(p + s)]


def compute_operation(f: Any, n: Any, b: Any, op: Any) -> None:
    """Compute all outputs of an operation for a block from its inputs."""
    stay_apart()
    values, size, count = values_at(n, b), n[SIZE], n[n[AT_COUNTS] + b]
    for r in range(n[op + OUT_ROWS]):
        out = values + (n[op + OUT_ROW] + r) * size
        if n[op + KIND] == DENSE or n[op + KIND] == CONV:
            unit = r
            if n[op + KIND] == CONV:
                unit = r // (n[op + OUT_HEIGHT] * n[op + OUT_WIDTH])
            bias = f[n[AT_WEIGHT] + n[op + WEIGHTS] + unit * (n[op + FAN_IN] + 1) + n[op + FAN_IN]]
            for s in range(count):
                f[np.uintp(out + s)] = bias
            add_terms(f, n, values, out, list_terms(f, n, op, r, np.int64(-1)), count)
        elif n[op + KIND] >= MAX_POOL:
            pool_window(f, n, b, op, r, out, False)
        else:
            activate(f, n[op + KIND], values + (n[op + IN_ROW] + r) * size, out, count)
