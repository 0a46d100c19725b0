"""Vector-matrix products in a fixed order: every output sums its terms one by one, in index order.

Every product is added with one rounding, and none is reassociated, so a result depends neither on the number of
vectors in a call nor on threads or vector width, and equals the reference to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import BLOCK_GROUPS, SQUARE, block, fma, turn_spread

ZERO = np.float32(0.0)

# Set by the compiler: the lanes of a group, and the vectors of a block, whose sums stay in registers.
BLOCK_LANES = 16
BLOCK_ROWS = 8


def many_outputs(
    raw: Any, panel: Any, state: Any, r: Any, x: Any, first: Any, count: Any, backward: Any, padded: Any
) -> None:
    """raw[i·padded + o] = the sums of `count` vectors of the flat array x, whose first number is x[first].

    Forward Σ_j w_oj x_ij, o over lines; backward Σ_p w_po d_ip, o over columns. Outputs lie in lanes: a panel of
    weights, as many outputs side by side as a block has lanes, meets all vectors. raw has room for whole blocks of
    vectors, `padded` a vector; `panel` for BLOCK_GROUPS·BLOCK_LANES numbers a term.
    """
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
            turn_panel(panel, weights, base + begin * columns, columns, size, step)
        for i in range(0, count, BLOCK_ROWS):
            to, at, rows = i * padded + begin, first + i * width, min(BLOCK_ROWS, count - i)
            for term in range(0, terms, width):  # backward, the devices of a weight see the same values
                block(raw, to, padded, panel, term * step, step, groups, values, at, width, rows, width, term > 0)


def copy_panel(panel: Any, weights: Any, at: Any, columns: Any, lines: Any, size: Any, step: Any) -> None:
    """panel[p·step + l] = weights[at + p·columns + l] for l < size, else 0."""
    for p in range(lines):
        for lane in range(size):
            panel[np.uintp(p * step + lane)] = weights[np.uintp(at + p * columns + lane)]
        for lane in range(size, step):
            panel[np.uintp(p * step + lane)] = ZERO


def turn_panel(panel: Any, weights: Any, at: Any, columns: Any, size: Any, step: Any) -> None:
    """panel[j·step + l] = weights[at + l·columns + j] for l < size, else 0."""
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
                j = min(column, columns - SQUARE)
                turn_spread(panel, j * step + lane, step, weights, at + lane * columns + j, columns, rows)
        else:
            for j in range(columns):
                for k in range(SQUARE):
                    panel[np.uintp(j * step + lane + k)] = ZERO


def row_outputs(raw: Any, state: Any, r: Any, x: Any) -> None:
    """raw[p] = Σ_j w_pj x_j for one vector, eight rows at a time to hide the latency of the sum."""
    lines, columns = state.shape[1], state.shape[2]
    eights = lines // 8 * 8
    for p in range(0, eights, 8):
        i = np.uintp(p)
        s0, s1, s2, s3, s4, s5, s6, s7 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
        for j in range(columns):
            at = np.uintp(j)
            v = x[at]
            s0 = fma(state[r, i, at], v, s0)
            s1 = fma(state[r, i + np.uintp(1), at], v, s1)
            s2 = fma(state[r, i + np.uintp(2), at], v, s2)
            s3 = fma(state[r, i + np.uintp(3), at], v, s3)
            s4 = fma(state[r, i + np.uintp(4), at], v, s4)
            s5 = fma(state[r, i + np.uintp(5), at], v, s5)
            s6 = fma(state[r, i + np.uintp(6), at], v, s6)
            s7 = fma(state[r, i + np.uintp(7), at], v, s7)
        raw[i], raw[i + np.uintp(1)], raw[i + np.uintp(2)], raw[i + np.uintp(3)] = s0, s1, s2, s3
        raw[i + np.uintp(4)], raw[i + np.uintp(5)], raw[i + np.uintp(6)], raw[i + np.uintp(7)] = s4, s5, s6, s7
    for p in range(eights, lines):
        total = ZERO
        for j in range(columns):
            total = fma(state[r, np.uintp(p), np.uintp(j)], x[np.uintp(j)], total)
        raw[np.uintp(p)] = total


def column_outputs(raw: Any, state: Any, r: Any, d: Any, driven: Any) -> None:
    """raw[j] = Σ_p w_pj d_p for one vector; rows with d = 0 are skipped; `driven` is scratch."""
    lines, columns, rows = state.shape[1], state.shape[2], d.shape[0]
    found = 0
    for copy in range(0, lines, rows):
        for p in range(rows):  # without a branch, whose outcome no machine could guess
            driven[np.uintp(found)] = np.uintp(copy + p)
            found += d[np.uintp(p)] != ZERO
    for j in range(columns):
        raw[np.uintp(j)] = ZERO
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
