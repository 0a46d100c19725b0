"""Vector-matrix products in a fixed order: every output sums its terms one by one, in index order.

No product is fused or reassociated, so a result depends neither on the number of vectors in
a call nor on threads or vector width, and equals the reference to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ZERO = np.float32(0.0)
TILE = 64
FEW = 12


def tile_outputs(raw: Any, state: Any, r: Any, x: Any, t0: Any, count: Any, transposed: Any, acc: Any) -> None:
    """raw[t, p] = Σ_j w_pj x_tj for `count` ≤ 64 vectors from t0; `transposed` and `acc` are scratch.

    Many vectors: lanes run over vectors, so `transposed` (N, tile) holds the inputs. Four terms are
    added for each load of the sum: 1.6 times faster than one.
    """
    lines, columns = state.shape[1], state.shape[2]
    if count < FEW:
        for t in range(count):
            row_outputs(raw[np.uintp(t)], state, r, x[r, np.uintp(t0 + t)])
        return
    lanes = (count + 7) // 8 * 8
    for t in range(count):
        for j in range(columns):
            transposed[np.uintp(j), np.uintp(t)] = x[r, np.uintp(t0 + t), np.uintp(j)]
    for p in range(lines):
        w = state[r, np.uintp(p)]
        for lane in range(lanes):
            acc[np.uintp(lane)] = ZERO
        fours = columns // 4 * 4
        for j in range(0, fours, 4):
            a, b, c, d = np.uintp(j), np.uintp(j + 1), np.uintp(j + 2), np.uintp(j + 3)
            wa, wb, wc, wd = w[a], w[b], w[c], w[d]
            xa, xb, xc, xd = transposed[a], transposed[b], transposed[c], transposed[d]
            for lane in range(lanes):
                at = np.uintp(lane)
                acc[at] = (((acc[at] + wa * xa[at]) + wb * xb[at]) + wc * xc[at]) + wd * xd[at]
        for j in range(fours, columns):
            wj, xj = w[np.uintp(j)], transposed[np.uintp(j)]
            for lane in range(lanes):
                acc[np.uintp(lane)] += wj * xj[np.uintp(lane)]
        for t in range(count):
            raw[np.uintp(t), np.uintp(p)] = acc[np.uintp(t)]


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
            s0 += state[r, i, at] * v
            s1 += state[r, i + np.uintp(1), at] * v
            s2 += state[r, i + np.uintp(2), at] * v
            s3 += state[r, i + np.uintp(3), at] * v
            s4 += state[r, i + np.uintp(4), at] * v
            s5 += state[r, i + np.uintp(5), at] * v
            s6 += state[r, i + np.uintp(6), at] * v
            s7 += state[r, i + np.uintp(7), at] * v
        raw[i], raw[i + np.uintp(1)], raw[i + np.uintp(2)], raw[i + np.uintp(3)] = s0, s1, s2, s3
        raw[i + np.uintp(4)], raw[i + np.uintp(5)], raw[i + np.uintp(6)], raw[i + np.uintp(7)] = s4, s5, s6, s7
    for p in range(eights, lines):
        total = ZERO
        for j in range(columns):
            total += state[r, np.uintp(p), np.uintp(j)] * x[np.uintp(j)]
        raw[np.uintp(p)] = total


def column_outputs(raw: Any, state: Any, r: Any, d: Any, driven: Any) -> None:
    """raw[j] = Σ_p w_pj d_p for one vector; rows with d = 0 are skipped; `driven` is scratch."""
    lines, columns, rows = state.shape[1], state.shape[2], d.shape[0]
    found = 0
    for p in range(lines):
        if d[np.uintp(p % rows)] != ZERO:
            driven[np.uintp(found)] = np.uintp(p)
            found += 1
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
            raw[at] = (((raw[at] + wa[at] * da) + wb[at] * db) + wc[at] * dc) + wd[at] * dd
    for i in range(fours, found):
        p = driven[np.uintp(i)]
        w, v = state[r, p], d[p % rows]
        for j in range(columns):
            raw[np.uintp(j)] += w[np.uintp(j)] * v
