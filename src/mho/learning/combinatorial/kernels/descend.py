"""Coordinate descent over the weights of a batch: the kernel `descend`."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.apart import stay_apart
from mho.learning.combinatorial.kernels.arithmetic import ZERO
from mho.learning.combinatorial.kernels.codes import (
    AT_CANDIDATES,
    AT_CHANGED,
    AT_COUNTS,
    AT_GAINS,
    AT_LEVEL,
    AT_LOSSES,
    AT_PROPOSED,
    AT_PULL,
    AT_SLOPES,
    AT_STARTS,
    AT_TABLE,
    AT_TARGETS,
    AT_WEIGHT,
    AT_WORTH,
    BLOCKS,
    COLUMNS,
    CROSS_ENTROPY,
    DENSE,
    FAN_IN,
    HIDDEN,
    INPUTS,
    KIND,
    LEVELS,
    MAX_POOL,
    OPERATIONS,
    OUT_ROW,
    OUTPUTS,
    ROWS,
    SIZE,
    SQUARED,
    TANH,
    WEIGHTS,
)
from mho.learning.combinatorial.kernels.losses import block_loss
from mho.learning.combinatorial.kernels.propagation import compute_operation, follow_change, start_change, values_at
from mho.learning.combinatorial.kernels.records import Weight
from mho.learning.combinatorial.kernels.trying import keep_step, last_operation, log_base, pick_examples, try_step

# results
LOSS = 0
EVALUATIONS = 1
CHANGES = 2


def descend(
    f: Any, n: Any, places: Any, order: Any, loss: Any, first_only: Any, tolerance: Any, afresh: Any, results: Any
) -> None:
    """Visit weights in order, and give each the level of the lowest loss.

    Args:
        f: the numbers of a `Memory`.
        n: its integers.
        places: its places.
        order: (n,) int64, places of weights.
        loss: which; see `mho.learning.combinatorial.kernels.codes`.
        first_only: try the level first that the slope of the loss at a weight promises most of, and take the first
            level that lowers the loss.
        tolerance: a level must lower the summed loss by more than this.
        afresh: compute all values from inputs and weights before.
        results: (3,) float64: the summed loss, which this call changes, and numbers of levels that were evaluated
            and of weights that were changed, to which it adds.
    """
    if afresh:
        results[LOSS] = compute(f, n, loss)
    gains = n[AT_GAINS]
    for i in range(order.shape[0]):
        weight = weight_at(n, order[np.uintp(i)])
        if not reaches(n, weight):
            continue
        candidates = list_candidates(f, n, weight, first_only)
        chosen, at = np.int64(-1), np.int64(0)
        while at < candidates and chosen < 0:
            stop = candidates
            if first_only:
                stop = at + 1
            find_gains(f, n, places, weight, loss, at, stop)
            results[EVALUATIONS] += stop - at
            for c in range(at, stop):
                if f[gains + c] < -tolerance and (chosen < 0 or f[gains + c] < f[gains + chosen]):
                    chosen = np.int64(c)
            at = stop
        if chosen >= 0:
            results[LOSS] += change_weight(f, n, places, weight, chosen, loss)
            results[CHANGES] += 1


def compute(f: Any, n: Any, loss: Any) -> Any:
    """Compute all values of a batch from its inputs and weights, and return the summed loss."""
    stay_apart()
    total = ZERO
    for b in range(n[BLOCKS]):
        for op in range(n[AT_TABLE], n[AT_TABLE] + n[OPERATIONS] * COLUMNS, COLUMNS):
            compute_operation(f, n, b, op)
        own = block_loss(f, n, b, loss, False, True)
        f[n[AT_LOSSES] + b] = own
        total += own
        fill_pull(f, n, b)
    return total


def fill_pull(f: Any, n: Any, b: Any) -> None:
    """Compute the weight from each input of the last layer to the class of each example."""
    last, count, size = last_operation(n), n[n[AT_COUNTS] + b], n[SIZE]
    for h in range(n[HIDDEN]):
        out = n[AT_PULL] + (b * n[HIDDEN] + h) * size
        for s in range(count):
            f[np.uintp(out + s)] = ZERO
        for c in range(n[OUTPUTS]):
            weight = f[n[AT_WEIGHT] + n[last + WEIGHTS] + c * (n[last + FAN_IN] + 1) + h]
            y = n[AT_TARGETS] + (b * n[OUTPUTS] + c) * size
            for s in range(count):
                f[np.uintp(out + s)] += weight * f[np.uintp(y + s)]


def weight_at(n: Any, place: Any) -> Any:
    """Return the weight at a place among all weights, from 0, as a record `Weight`."""
    found = n[AT_TABLE]
    for op in range(n[AT_TABLE], n[AT_TABLE] + n[OPERATIONS] * COLUMNS, COLUMNS):
        if n[op + WEIGHTS] >= 0 and n[op + WEIGHTS] <= place:
            found = np.int64(op)
    inside, width = place - n[found + WEIGHTS], n[found + FAN_IN] + 1
    return Weight(place, found, inside // width, inside % width, found == last_operation(n))


def worth_at(n: Any, op: Any) -> Any:
    """Return where the values of the levels of an operation begin."""
    return n[AT_WORTH] + (op - n[AT_TABLE]) // COLUMNS * n[LEVELS]


def reaches(n: Any, weight: Any) -> Any:
    """Return whether a weight can change anything: its input is not 0 in all examples."""
    several = np.int64(0)
    for b in range(n[BLOCKS]):
        several += np.int64(touches(n, b, weight))
    return several > 0


def touches(n: Any, b: Any, weight: Any) -> Any:
    """Return whether a weight can change anything in block b."""
    op = weight.op
    if op > n[AT_TABLE] or n[op + KIND] != DENSE or weight.k >= n[op + FAN_IN]:
        return True
    start = n[AT_STARTS] + b * (n[INPUTS] + 1) + weight.k
    return n[start + 1] > n[start]


def list_candidates(f: Any, n: Any, weight: Any, first_only: Any) -> Any:
    """List the other levels of a weight, with `first_only` the most promising first; return how many."""
    count, now, list_ = np.int64(0), n[n[AT_LEVEL] + weight.place], n[AT_CANDIDATES]
    for level in range(n[LEVELS]):
        if level != now:
            n[list_ + count] = level
            count += 1
    if first_only:
        slope, worth = f[n[AT_SLOPES] + weight.place], worth_at(n, weight.op)
        for i in range(1, count):  # sorted by insertion: there are few levels
            level, j = n[list_ + i], i
            while j > 0 and slope * f[worth + n[list_ + j - 1]] > slope * f[worth + level]:
                n[list_ + j] = n[list_ + j - 1]
                j -= 1
            n[list_ + j] = level
    return count


def find_gains(f: Any, n: Any, places: Any, weight: Any, loss: Any, first: Any, stop: Any) -> None:
    """Find by how much the candidates for a weight from `first` to `stop` change the summed loss."""
    stay_apart()
    op, last, gains, worth = weight.op, last_operation(n), n[AT_GAINS], worth_at(n, weight.op)
    quick = n[last + KIND] == DENSE and (loss == CROSS_ENTROPY or loss == SQUARED)
    if not weight.direct:
        above = n[op + COLUMNS + KIND]
        quick = quick and op == last - 2 * COLUMNS and n[op + KIND] == DENSE and above >= TANH and above < MAX_POOL
    present = f[n[AT_WEIGHT] + weight.place]
    for c in range(first, stop):
        f[gains + c] = ZERO
    if quick:
        for b in range(n[BLOCKS]):
            if touches(n, b, weight):
                count = pick_examples(f, n, places, b, weight, loss)
                base = log_base(f, n, count, loss)
                for c in range(first, stop):
                    step = f[worth + n[n[AT_CANDIDATES] + c]] - present
                    f[gains + c] += try_step(f, n, weight, step, count, loss, base)
    for c in range(first, stop):
        n[n[AT_CANDIDATES] + n[LEVELS] + c] = np.int64(quick and not np.isnan(f[gains + c]))
        if not n[n[AT_CANDIDATES] + n[LEVELS] + c]:
            step = f[worth + n[n[AT_CANDIDATES] + c]] - present
            f[gains + c] = propose(f, n, weight, step, loss, np.int64(0))


def propose(f: Any, n: Any, weight: Any, step: Any, loss: Any, keep: Any) -> Any:
    """Return by how much the summed loss changes if a weight changes by `step`; with `keep`, let it change."""
    stay_apart()
    op, total, end, size = weight.op, ZERO, n[AT_TABLE] + n[OPERATIONS] * COLUMNS, n[SIZE]
    for b in range(n[BLOCKS]):
        if touches(n, b, weight):
            for r in range(n[AT_CHANGED] + n[op + OUT_ROW], n[AT_CHANGED] + n[ROWS]):
                n[np.uintp(r)] = 0
            start_change(f, n, b, weight, step)
            for above in range(op + COLUMNS, end, COLUMNS):
                follow_change(f, n, b, above)
            if keep:
                for r in range(n[op + OUT_ROW], n[ROWS]):
                    if n[n[AT_CHANGED] + r]:
                        new, now = n[AT_PROPOSED] + r * size, values_at(n, b) + r * size
                        for s in range(n[n[AT_COUNTS] + b]):
                            f[np.uintp(now + s)] = f[np.uintp(new + s)]
            after = block_loss(f, n, b, loss, not keep, keep)
            total += after - f[n[AT_LOSSES] + b]
            if keep:
                f[n[AT_LOSSES] + b] = after
    return total


def change_weight(f: Any, n: Any, places: Any, weight: Any, chosen: Any, loss: Any) -> Any:
    """Give a weight one of the candidates' levels, with all values that follow.

    Returns:
        By how much the summed loss changed.
    """
    level = n[n[AT_CANDIDATES] + chosen]
    value = f[worth_at(n, weight.op) + level]
    step, change = value - f[n[AT_WEIGHT] + weight.place], ZERO
    if n[n[AT_CANDIDATES] + n[LEVELS] + chosen]:
        for b in range(n[BLOCKS]):
            if touches(n, b, weight):
                own = keep_step(f, n, places, b, weight, step, loss)
                f[n[AT_LOSSES] + b] += own
                change += own
    else:
        change = propose(f, n, weight, step, loss, np.int64(1))
    f[n[AT_WEIGHT] + weight.place] = value
    n[n[AT_LEVEL] + weight.place] = level
    if weight.direct and weight.k < n[HIDDEN]:
        for b in range(n[BLOCKS]):
            pull = n[AT_PULL] + (b * n[HIDDEN] + weight.k) * n[SIZE]
            y = n[AT_TARGETS] + (b * n[OUTPUTS] + weight.out) * n[SIZE]
            for s in range(n[n[AT_COUNTS] + b]):
                f[np.uintp(pull + s)] += step * f[np.uintp(y + s)]
    return change
