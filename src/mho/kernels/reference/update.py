"""The update cycle in NumPy: cell by cell, with the law as plain Python."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.kernels.counts import COINCIDENCES, NOT_FINITE
from mho.kernels.reference.cell import ask, drawn, settled, stuck, within, writing_normal
from mho.random import BLOCKS_A_WORD, SLOTS_A_TRAIN, vector_keys

Floats = npt.NDArray[np.float32]


def update(
    counts: npt.NDArray[np.int64],
    law: Any,
    state: Floats,
    hidden: Floats,
    cells: dict[str, Floats],
    x: Floats,
    d: Floats,
    x_bits: npt.NDArray[np.bool_],
    d_bits: npt.NDArray[np.bool_],
    streams: npt.NDArray[np.uint32],
    first: int,
) -> None:
    """Apply trains to state (R, P, N) and hidden (R, H, P, N); cells: each field and table in the state's shape."""
    copies = state.shape[1] // d.shape[2]
    for r, t in np.ndindex(x.shape[:2]):
        up = np.equal.outer(np.tile(d[r, t] < 0, copies), x[r, t] < 0)
        for word, start in enumerate(range(0, x_bits.shape[3], SLOTS_A_TRAIN)):
            slots = slice(start, start + SLOTS_A_TRAIN)
            coincidences = d_bits[r, t, :, slots].astype(np.int64) @ x_bits[r, t, :, slots].T.astype(np.int64)
            for p, j in zip(*np.nonzero(coincidences), strict=True):
                cell = types.SimpleNamespace(**{name: values[r, p, j] for name, values in cells.items()})
                if hasattr(cell, "side") and up[p, j] != (cell.side > 0):
                    continue
                counts[r, COINCIDENCES] += coincidences[p, j]
                keys = _Keys(streams[r], first + int(t), word, int(p) * state.shape[2] + int(j))
                seen = np.concatenate([[state[r, p, j]], hidden[r, :, p, j]])
                n, rises = int(coincidences[p, j]), hasattr(cell, "side") or bool(up[p, j])
                state[r, p, j], *hidden[r, :, p, j] = move(law, seen, n, rises, cell, keys, counts[r])


class _Keys:
    """Index and keys of one cell, vector and word of slots, by the number of the pulse."""

    def __init__(self, stream: npt.NDArray[np.uint32], vector: int, word: int, cell: int) -> None:
        self.stream, self.vector = stream, np.array([vector], np.uint64)
        self.first, self.cell = 1 + BLOCKS_A_WORD * word, np.array([cell], np.uint32)

    def __getitem__(self, pulse: int) -> tuple[Any, Any, Any]:
        block = np.array([self.first + pulse], np.uint32)
        k0, k1, _, _ = vector_keys(self.stream[:1], self.stream[1:], self.vector, block)
        return self.cell, k0, k1


def move(
    law: Any, seen: Floats, n: int, up: bool, cell: Any, keys: _Keys, counts: npt.NDArray[np.int64]
) -> list[np.float32]:
    """One cell after n coincidences of one direction: what reads see, then its hidden states; `seen` before."""
    noisy = hasattr(cell, "write_noise")
    shown, w, h = seen[0], seen[1 if noisy else 0], seen[-1]
    room = min(cell.w_max - w, w - cell.w_min)
    count = np.float32(n)
    if n > 1 and hasattr(law, "pulses") and room > law.reach(count, up, cell):
        w = settled(law.pulses(w, count, up, cell, drawn(law, *keys[0])), w, cell, counts)
        shown = _shown(shown, w, cell, keys[0]) if noisy else w
    else:
        for pulse in range(n):
            new, state = ask(law, w, h, up, cell, drawn(law, *keys[pulse]))
            w, h = settled(new, w, cell, counts), h if stuck(cell) else np.float32(state)
            shown = _shown(shown, w, cell, keys[pulse]) if noisy else w
    return [shown, *([w] if noisy else []), *([h] if law.state else [])]


def _shown(shown: np.float32, w: np.float32, cell: Any, keys: tuple[Any, Any, Any]) -> np.float32:
    """What write noise leaves to be read of a weight w that was just written; before, `shown` was read."""
    return shown if stuck(cell) else within(w + cell.write_noise * writing_normal(*keys), cell)


def outer(counts: npt.NDArray[np.int64], state: Floats, x: Floats, d: Floats, lr: float) -> None:
    """The exact update: w_pj += (lr·d_tp)·x_tj, vector after vector."""
    copies = state.shape[1] // d.shape[2]
    for r, t in np.ndindex(x.shape[:2]):
        counts[r, NOT_FINITE] += (~np.isfinite(d[r, t])).sum()
        state[r] += np.multiply.outer(np.float32(lr) * np.tile(d[r, t], copies), x[r, t])
