"""What cross-points do without pulses, in NumPy: what reads see of them, and how they change with time."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.kernels.counts import NOT_FINITE
from mho.kernels.reference.cell import aged, stuck, within
from mho.random import READING_BLOCK, RESTING_BLOCK, mix, normal, vector_keys

Floats = npt.NDArray[np.float32]


def visible(
    counts: npt.NDArray[np.int64],
    law: Any,
    state: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    first: int,
    out: Floats,
) -> None:
    """Write what the read of vector `first` sees of state (R, P, N) into `out`."""
    for place, cell, (z_law, z_option) in _each(state, cells, streams, first, READING_BLOCK):
        seen = law.read(state[place], cell, z_law) if hasattr(law, "read") else state[place]
        seen = np.float32(np.float32(seen) + getattr(cell, "read_variation", np.float32(0)) * z_option)
        counts[place[0], NOT_FINITE] += np.isnan(seen)
        out[place] = state[place] if np.isnan(seen) else seen


def rest(
    counts: npt.NDArray[np.int64],
    law: Any,
    state: Floats,
    hidden: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    dt: float,
    first: int,
) -> None:
    """Let a time dt pass for state (R, P, N) and the written weights hidden[:, 0] where there is write noise."""
    written = hidden[:, 0] if "write_noise" in cells else state
    for place, cell, (z_law, z_option) in _each(state, cells, streams, first, RESTING_BLOCK):
        w = written[place]
        new = law.rest(w, cell, np.float32(dt), z_law) if hasattr(law, "rest") else w
        new = np.float32(aged(np.float32(new), cell, np.float32(dt), z_option))
        if np.isnan(new):
            counts[place[0], NOT_FINITE] += 1
            new = w
        new = within(w if stuck(cell) else new, cell)
        if written is not state:
            state[place] = within(state[place] + (new - w), cell)
        written[place] = new


def _each(state: Floats, cells: dict[str, Floats], streams: npt.NDArray[np.uint32], first: int, block: Any) -> Any:
    """Every cross-point: its place, its record, and two normals."""
    for r in range(len(state)):
        words = vector_keys(streams[r, :1], streams[r, 1:], np.array([first], np.uint64), np.array([block], np.uint32))
        index = np.arange(state[r].size, dtype=np.uint32)
        pairs = [normal(mix(index, words[k], words[k + 1])).reshape(state[r].shape) for k in (0, 2)]
        for p, j in np.ndindex(state[r].shape):
            cell = types.SimpleNamespace(**{name: values[r, p, j] for name, values in cells.items()})
            yield (r, p, j), cell, (pairs[0][p, j], pairs[1][p, j])
