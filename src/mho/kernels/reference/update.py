"""The update cycle in NumPy: cell by cell, with the law as plain Python."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.kernels.counts import BOUND_HITS, COINCIDENCES, NOT_FINITE
from mho.random import BLOCKS_A_WORD, SLOTS_A_TRAIN, mix, normal, vector_keys

Floats = npt.NDArray[np.float32]


def update(
    counts: npt.NDArray[np.int64],
    law: Any,
    state: Floats,
    cells: dict[str, Floats],
    x: Floats,
    d: Floats,
    x_bits: npt.NDArray[np.bool_],
    d_bits: npt.NDArray[np.bool_],
    streams: npt.NDArray[np.uint32],
    first: int,
) -> None:
    """Apply trains to state (R, P, N); cells: each field of the law, broadcast to the state's shape."""
    copies = state.shape[1] // d.shape[2]
    for r, t in np.ndindex(x.shape[:2]):
        up = np.equal.outer(np.tile(d[r, t] < 0, copies), x[r, t] < 0)
        for word, start in enumerate(range(0, x_bits.shape[3], SLOTS_A_TRAIN)):
            slots = slice(start, start + SLOTS_A_TRAIN)
            coincidences = d_bits[r, t, :, slots].astype(np.int64) @ x_bits[r, t, :, slots].T.astype(np.int64)
            counts[r, COINCIDENCES] += coincidences.sum()
            for p, j in zip(*np.nonzero(coincidences), strict=True):
                cell = types.SimpleNamespace(**{name: values[r, p, j] for name, values in cells.items()})
                draws = _Draws(streams[r], first + int(t), word, int(p) * state.shape[2] + int(j))
                n, rises = int(coincidences[p, j]), bool(up[p, j])
                state[r, p, j] = move(law, state[r, p, j], n, rises, cell, draws, counts[r])


class _Draws:
    """Standard normals of one cell, vector and word of slots, by the number of the pulse."""

    def __init__(self, stream: npt.NDArray[np.uint32], vector: int, word: int, cell: int) -> None:
        self.stream, self.vector = stream, np.array([vector], np.uint64)
        self.first, self.cell = 1 + BLOCKS_A_WORD * word, np.array([cell], np.uint32)

    def __getitem__(self, pulse: int) -> np.float32:
        block = np.array([self.first + pulse], np.uint32)
        k0, k1, _, _ = vector_keys(self.stream[:1], self.stream[1:], self.vector, block)
        return np.float32(normal(mix(self.cell, k0, k1))[0])


def move(
    law: Any, w: np.float32, n: int, up: bool, cell: Any, draws: _Draws, counts: npt.NDArray[np.int64]
) -> np.float32:
    """Weight of one cell after n coincidences of one direction."""
    if n > 1 and hasattr(law, "pulses"):
        count = np.float32(n)
        room = min(cell.w_max - w, w - cell.w_min)
        if room > law.reach(count, up, cell):
            return _clip(np.float32(law.pulses(w, count, up, cell, draws[0])), w, cell, counts)
    for pulse in range(n):
        w = _clip(np.float32(law.pulse(w, up, cell, draws[pulse])), w, cell, counts)
    return w


def _clip(new: np.float32, old: np.float32, cell: Any, counts: npt.NDArray[np.int64]) -> np.float32:
    if np.isnan(new):
        counts[NOT_FINITE] += 1
        new = old
    kept = np.float32(min(max(new, cell.w_min), cell.w_max))
    counts[BOUND_HITS] += kept != new
    return kept


def outer(counts: npt.NDArray[np.int64], state: Floats, x: Floats, d: Floats, lr: float) -> None:
    """The exact update: w_pj += (lr·d_tp)·x_tj, vector after vector."""
    copies = state.shape[1] // d.shape[2]
    for r, t in np.ndindex(x.shape[:2]):
        counts[r, NOT_FINITE] += (~np.isfinite(d[r, t])).sum()
        state[r] += np.multiply.outer(np.float32(lr) * np.tile(d[r, t], copies), x[r, t])
