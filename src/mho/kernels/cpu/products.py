"""Vector-matrix products in a fixed order: every output sums its terms one by one, in index order.

Every product is added with one rounding, and none is reassociated, so a result depends neither on the number of
vectors in a call nor on threads or vector width, and equals the reference to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import fma, rows_by_tile, turn

ZERO = np.float32(0.0)
TILE = 64  # vectors side by side in the lanes of a tile
ROWS = 4
LANES = 16
WIDE = True  # set by the compiler: whether the machine has AVX-512


def tile_outputs(raw: Any, sums: Any, state: Any, r: Any, x: Any, t0: Any, count: Any, columns_first: Any) -> None:
    """raw[p·TILE + t] = Σ_j w_pj x_tj for `count` ≤ TILE vectors from t0, in vector lanes.

    raw holds lines rounded up to ROWS; `sums` (ROWS·TILE) and `columns_first` (N·TILE) are scratch.
    """
    lines, columns = state.shape[1], state.shape[2]
    put_columns_first(columns_first, x, r, t0, count)
    if not WIDE or count <= TILE // 2:
        tile_rows(raw, sums, state, r, count, columns_first)
        return
    weights, last = state.reshape(-1), lines - 1
    for p in range(0, lines, ROWS):
        q = r * lines
        rows = (
            np.intp(q + p) * columns,
            np.intp(q + min(p + 1, last)) * columns,
            np.intp(q + min(p + 2, last)) * columns,
            np.intp(q + min(p + 3, last)) * columns,
        )
        rows_by_tile(raw, p * TILE, weights, rows, columns, columns_first)


def put_columns_first(out: Any, x: Any, r: Any, t0: Any, count: Any) -> None:
    """out[j·TILE + t] = x_tj; lanes up to a whole vector are zero."""
    vectors, columns = x.shape[1], x.shape[2]
    if WIDE:
        values, first = x.reshape(-1), (r * vectors + t0) * columns
        for t in range(0, count, LANES):
            for j in range(0, columns, LANES):
                rows, across = min(LANES, count - t), min(LANES, columns - j)
                turn(out, j * TILE + t, TILE, LANES, values, first + t * columns + j, columns, rows, across)
        return
    for j in range(columns):
        for t in range(count):
            out[np.uintp(j * TILE + t)] = x[r, np.uintp(t0 + t), np.uintp(j)]
        for t in range(count, (count + LANES - 1) // LANES * LANES):
            out[np.uintp(j * TILE + t)] = ZERO


def tile_rows(raw: Any, sums: Any, state: Any, r: Any, count: Any, columns_first: Any) -> None:
    """The sums of a tile, for machines with fewer registers, and of tiles that are half empty.

    Four rows and four terms share what they load: 78 to 45 µs for 32×401 and 64 vectors, 38 to 21 µs for
    16×26 and 576. One flat array with constant offsets a row spares most of the compiler's checks for overlap.
    """
    lines, columns = state.shape[1], state.shape[2]
    lanes = (count + LANES - 1) // LANES * LANES
    fours = columns // 4 * 4
    for p in range(0, lines, ROWS):
        last = lines - 1
        v, w = state[r, np.uintp(p)], state[r, np.uintp(min(p + 1, last))]
        y, z = state[r, np.uintp(min(p + 2, last))], state[r, np.uintp(min(p + 3, last))]
        for i in range(ROWS * TILE):
            sums[np.uintp(i)] = ZERO
        for j in range(0, fours, 4):
            a, b, c, d = np.uintp(j), np.uintp(j + 1), np.uintp(j + 2), np.uintp(j + 3)
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            wa, wb, wc, wd = w[a], w[b], w[c], w[d]
            ya, yb, yc, yd = y[a], y[b], y[c], y[d]
            za, zb, zc, zd = z[a], z[b], z[c], z[d]
            for lane in range(lanes):
                at, term = np.uintp(lane), np.uintp(j * TILE + lane)
                xa, xb = columns_first[term], columns_first[term + np.uintp(TILE)]
                xc, xd = columns_first[term + np.uintp(2 * TILE)], columns_first[term + np.uintp(3 * TILE)]
                sums[at] = fma(vd, xd, fma(vc, xc, fma(vb, xb, fma(va, xa, sums[at]))))
                at = np.uintp(lane + TILE)
                sums[at] = fma(wd, xd, fma(wc, xc, fma(wb, xb, fma(wa, xa, sums[at]))))
                at = np.uintp(lane + 2 * TILE)
                sums[at] = fma(yd, xd, fma(yc, xc, fma(yb, xb, fma(ya, xa, sums[at]))))
                at = np.uintp(lane + 3 * TILE)
                sums[at] = fma(zd, xd, fma(zc, xc, fma(zb, xb, fma(za, xa, sums[at]))))
        for j in range(fours, columns):
            at_j = np.uintp(j)
            vj, wj, yj, zj = v[at_j], w[at_j], y[at_j], z[at_j]
            for lane in range(lanes):
                xj = columns_first[np.uintp(j * TILE + lane)]
                at = np.uintp(lane)
                sums[at] = fma(vj, xj, sums[at])
                at = np.uintp(lane + TILE)
                sums[at] = fma(wj, xj, sums[at])
                at = np.uintp(lane + 2 * TILE)
                sums[at] = fma(yj, xj, sums[at])
                at = np.uintp(lane + 3 * TILE)
                sums[at] = fma(zj, xj, sums[at])
        for i in range(ROWS * TILE):
            raw[np.uintp(p * TILE + i)] = sums[np.uintp(i)]


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
