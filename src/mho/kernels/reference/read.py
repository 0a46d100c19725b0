"""One read of an array in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mho.kernels.counts import NOT_FINITE
from mho.random import mix, normal, vector_keys

Floats = npt.NDArray[np.float32]


def read(
    counts: npt.NDArray[np.int64],
    state: Floats,
    x: Floats,
    out: Floats,
    backward: bool,
    streams: npt.NDArray[np.uint32],
    levels: Floats,
    noise_management: bool,
    halvings: int,
    clipped_slot: int,
    halvings_slot: int,
    first: int,
) -> None:
    """Read x (R, T, in) into out (R, T, out); see `mho.kernels.cpu.read` for the arguments."""
    rows = x.shape[2] if backward else out.shape[2]
    devices = np.float32(state.shape[1] // rows)
    for r, t in np.ndindex(x.shape[:2]):
        noise, bound, input_bound, input_step, output_step = levels[r]
        linear = np.isinf(input_bound) and input_step == 0
        scale = np.abs(x[r, t]).max() if noise_management else np.float32(1)
        if scale == 0:
            out[r, t] = 0
            continue
        number = np.array([first + t], np.uint64)
        for halving in range(halvings + 1):
            if linear:  # s·clip(W(x/s) + σξ, ±α) as clip(Wx + sσξ, ±sα)
                factor = scale
                seen = product(state[r], x[r, t], backward)
            else:
                factor = np.float32(1)
                driven: Floats = x[r, t] / scale
                counts[r, NOT_FINITE] += (~np.isfinite(driven)).sum()
                driven = np.clip(driven, -input_bound, input_bound)
                seen = product(state[r], _levels(driven, input_step), backward)
            if noise > 0:
                block = np.array([halving], np.uint32)
                k0, k1, _, _ = vector_keys(streams[r, :1], streams[r, 1:], number, block)
                seen = seen + factor * noise * normal(mix(np.arange(seen.size, dtype=np.uint32), k0, k1))
            counts[r, NOT_FINITE] += (~np.isfinite(seen)).sum()
            kept: Floats = np.clip(seen, -factor * bound, factor * bound)
            clipped = (kept != seen).sum()
            if clipped == 0 or halving == halvings:
                break
            counts[r, halvings_slot] += 1
            scale = scale * np.float32(2)
        counts[r, clipped_slot] += clipped
        kept = _levels(kept, factor * output_step)
        if not backward:
            copies = kept.reshape(-1, rows)
            kept = copies[0].copy()
            for copy in copies[1:]:
                kept += copy
        out[r, t] = kept * ((np.float32(1) if linear else scale) / devices)


def product(w: Floats, v: Floats, backward: bool) -> Floats:
    """W v, or Wᵀ v for v shared by all copies of the rows, summed term by term in index order."""
    columns = w if not backward else w.T
    terms = v if not backward else np.tile(v, w.shape[0] // v.size)
    total = np.zeros(columns.shape[0], np.float32)
    for term, column in zip(terms, columns.T, strict=True):
        total = fused(column, term, total)
    return total


def fused(a: Floats, b: np.float32, c: Floats) -> Floats:
    """a·b + c, rounded once.

    The product is exact in float64. Their sum is rounded to odd there (Boldo and Melquiond 2008): to the
    neighbour with the last bit set wherever it is not exact, so that rounding to float32 cannot be misled.
    """
    product = a.astype(np.float64) * np.float64(b)
    total = product + c
    rest = total - product
    error = (product - (total - rest)) + (c - rest)
    bits = total.view(np.int64)
    odd = np.where((error > 0) == (total > 0), bits + 1, bits - 1).view(np.float64)
    inexact = np.isfinite(total) & (error != 0) & (bits % 2 == 0)
    with np.errstate(over="ignore"):
        return np.where(inexact, odd, total).astype(np.float32)


def _levels(values: Floats, step: np.float32) -> Floats:
    return values if step == 0 else np.rint(values / step) * step
