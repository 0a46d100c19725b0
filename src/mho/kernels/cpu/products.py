"""Vector-matrix products in a fixed order: every output adds its terms singly, in index order.

Each product is added with one rounding (a fused multiply-add), and no sum is reassociated. So a result depends neither
on the number of vectors in a call, nor on threads, nor on the width of the machine's vectors, and equals
`mho.kernels.reference.rounding.product` to the bit. Speed comes from several outputs or vectors at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import BLOCK_GROUPS, LINE_SQUARES, SQUARE, TURNED, block, fma, line_sums, transpose_spread
from mho.kernels.cpu.records import FlatMatrix

ZERO = np.float32(0.0)
APART = 1024  # numbers from one that a set of the first-level cache holds to the next: 4 KB
SPREAD = 4  # numbers by which lines must be off such a distance, for sixteen of them to lie in four sets

# Set by the compiler for the machine: the lanes of a group, and the vectors of a block, whose sums stay in registers.
BLOCK_LANES = 16
BLOCK_ROWS = 8


def many_outputs(
    raw: Any, panel: Any, state: Any, r: Any, x: Any, first: Any, count: Any, backward: Any, padded: Any
) -> None:
    """Multiply `count` vectors by the weights of a replica: forward Σ_j w_pj x_j, backward Σ_p w_pj d_p.

    Args:
        raw: takes the sums, `padded` numbers per vector, flat with room for whole blocks of BLOCK_ROWS vectors.
        panel: scratch, flat, BLOCK_GROUPS·BLOCK_LANES numbers per term of a sum.
        state: weights, (R, P, N).
        r: replica.
        x: vectors, any shape whose last axis is a vector: N numbers forward, M backward.
        first: place of the first number of the first vector in flat x.
        count: vectors.
        backward: the direction.
        padded: outputs of a vector in `raw`, filled up to whole groups.
    """
    # A panel holds the weights of up to 48 outputs, with outputs side by side, so that each lane sums its own output.
    # It is packed once and stays in the first-level cache while all vectors pass.
    lines, columns = state.shape[1], state.shape[2]
    outputs, terms = (columns, lines) if backward else (lines, columns)
    width = x.shape[2]
    values, weights, base = x.reshape(-1), state.reshape(-1), r * lines * columns
    for begin in range(0, outputs, BLOCK_GROUPS * BLOCK_LANES):
        size = min(BLOCK_GROUPS * BLOCK_LANES, outputs - begin)
        groups = (size + BLOCK_LANES - 1) // BLOCK_LANES
        step = groups * BLOCK_LANES
        if backward:
            copy_panel(panel, weights, base + begin, columns, lines, size, step)
        else:
            transpose_panel(panel, weights, base + begin * columns, columns, size, step)
        for i in range(0, count, BLOCK_ROWS):
            out, sent = FlatMatrix(raw, i * padded + begin, padded), FlatMatrix(values, first + i * width, width)
            rows = min(BLOCK_ROWS, count - i)
            for term in range(0, terms, width):  # backward, the devices of a weight see the same values
                block(out, sent, FlatMatrix(panel, term * step, step), groups, rows, width, term > 0)


def copy_panel(panel: Any, weights: Any, at: Any, columns: Any, lines: Any, size: Any, step: Any) -> None:
    """Pack columns of the weights: panel[p·step + l] = weights[at + p·columns + l] for l < size, else 0.

    Args:
        panel: takes lines·step numbers, flat float32.
        weights: flat float32.
        at: where in `weights` the first number is.
        columns: columns of the array.
        lines: rows of the array that are packed.
        size: columns that are packed, 1 to `step`.
        step: numbers of a line of the panel.
    """
    for p in range(lines):
        for lane in range(size):
            panel[np.uintp(p * step + lane)] = weights[np.uintp(at + p * columns + lane)]
        for lane in range(size, step):
            panel[np.uintp(p * step + lane)] = ZERO


def transpose_panel(panel: Any, weights: Any, at: Any, columns: Any, size: Any, step: Any) -> None:
    """Pack rows of the weights, transposed: panel[j·step + l] = weights[at + l·columns + j] for l < size, else 0.

    Args:
        panel: takes columns·step numbers, flat float32.
        weights: flat float32.
        at: where in `weights` the first number is.
        columns: columns of the array, all of which are packed.
        size: rows that are packed, 1 to `step`.
        step: numbers of a line of the panel.
    """
    # narrower than a square: number by number
    if columns < SQUARE:
        for j in range(columns):
            for lane in range(step):
                inside = lane < size
                panel[np.uintp(j * step + lane)] = weights[np.uintp(at + lane * columns + j)] if inside else ZERO
        return
    for lane in range(0, step, SQUARE):
        rows = min(SQUARE, size - lane)
        if rows > 0:
            for column in range(0, columns, SQUARE):
                j = min(column, columns - SQUARE)  # the last square may overlap the square before it
                transpose_spread(panel, j * step + lane, step, weights, at + lane * columns + j, columns, rows)
        else:
            for j in range(columns):
                for k in range(SQUARE):
                    panel[np.uintp(j * step + lane + k)] = ZERO


def row_outputs(raw: Any, state: Any, r: Any, x: Any) -> None:
    """Multiply one vector by the weights, forward: raw[p] = Σ_j w_pj x_j.

    Args:
        raw: takes the sums, (P,) at least.
        state: weights, (R, P, N).
        r: replica.
        x: (N,).
    """
    lines, columns = state.shape[1], state.shape[2]
    weights, base, whole = state.reshape(-1), r * lines * columns, columns // TURNED * TURNED
    squares = lines // SQUARE if whole else 0
    # sixteen lines 4 KB apart would push one another out of the first-level cache
    beside = columns % APART
    each = 1 if beside < SPREAD or beside > APART - SPREAD else LINE_SQUARES
    for square in range(0, squares, each):
        p = square * SQUARE
        line_sums(raw, p, weights, base + p * columns, columns, x, whole, min(each, squares - square))
    if 0 < squares * SQUARE < lines:  # the last square overlaps the one before, and computes the same again
        line_sums(raw, lines - SQUARE, weights, base + (lines - SQUARE) * columns, columns, x, whole, 1)
    # the rest of each line; all of it where there is no square
    for p in range(lines):
        total = raw[np.uintp(p)] if squares > 0 else ZERO
        for j in range(whole if squares > 0 else 0, columns):
            total = fma(weights[np.uintp(base + p * columns + j)], x[np.uintp(j)], total)
        raw[np.uintp(p)] = total


def column_outputs(raw: Any, state: Any, r: Any, d: Any, driven: Any) -> None:
    """Multiply one vector by the weights, backward: raw[j] = Σ_p w_pj d_p.

    Args:
        raw: takes the sums, (N,) at least.
        state: weights, (R, P, N).
        r: replica.
        d: (M,); the P/M devices of a weight see the same number.
        driven: scratch, (P,) uintp.
    """
    # Lines with d = 0 are skipped, which behind a ReLU are most. Adding w·0 would change no sum of finite numbers.
    lines, columns, rows = state.shape[1], state.shape[2], d.shape[0]
    found = 0
    for copy in range(0, lines, rows):
        for p in range(rows):  # without a branch, which could not be predicted
            driven[np.uintp(found)] = np.uintp(copy + p)
            found += d[np.uintp(p)] != ZERO
    for j in range(columns):
        raw[np.uintp(j)] = ZERO
    # four lines at a time load and store each sum once for four products, which are still added in order
    fours = found // 4 * 4
    for i in range(0, fours, 4):
        pa, pb = driven[np.uintp(i)], driven[np.uintp(i + 1)]
        pc, pd = driven[np.uintp(i + 2)], driven[np.uintp(i + 3)]
        wa, wb, wc, wd = state[r, pa], state[r, pb], state[r, pc], state[r, pd]
        da, db, dc, dd = d[pa % rows], d[pb % rows], d[pc % rows], d[pd % rows]
        for j in range(columns):
            at = np.uintp(j)
            raw[at] = fma(wd[at], dd, fma(wc[at], dc, fma(wb[at], db, fma(wa[at], da, raw[at]))))
    for i in range(fours, found):
        p = driven[np.uintp(i)]
        w, v = state[r, p], d[p % rows]
        for j in range(columns):
            raw[np.uintp(j)] = fma(w[np.uintp(j)], v, raw[np.uintp(j)])
