"""Read-out and time evolution of cross-points without pulses, in NumPy."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.compiler.hooks import hook_record
from mho.compiler.model import DeviceModel
from mho.kernels.counts import NOT_FINITE
from mho.kernels.reference.cell import holds, hook_normals, within
from mho.random import READING_BLOCK, RESTING_BLOCK, mix, normal, vector_keys

Floats = npt.NDArray[np.float32]


def visible(
    counts: npt.NDArray[np.int64],
    model: DeviceModel,
    state: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    first: int,
    out: Floats,
) -> None:
    """Write the weights that the read of vector `first` sees of state (R, P, N) into `out`."""
    law: Any = model.law_class
    for place, cell, z, hooks in _each(model, "seen", state, cells, streams, first, READING_BLOCK):
        seen = np.float32(law.read(state[place], cell, z) if hasattr(law, "read") else state[place])
        for hook, z_hook in hooks:
            seen = np.float32(hook.seen(seen, hook_record(hook, cell), z_hook))
        counts[place[0], NOT_FINITE] += np.isnan(seen)
        out[place] = state[place] if np.isnan(seen) else seen


def rest(
    counts: npt.NDArray[np.int64],
    model: DeviceModel,
    state: Floats,
    hidden: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    dt: float,
    first: int,
) -> None:
    """Let a time dt pass for state (R, P, N), and for the written weights hidden[:, 0] where reads see others."""
    law: Any = model.law_class
    written, time = hidden[:, 0] if model.filling("written") else state, np.float32(dt)
    for place, cell, z, hooks in _each(model, "aged", state, cells, streams, first, RESTING_BLOCK):
        w = written[place]
        new = np.float32(law.rest(w, cell, time, z) if hasattr(law, "rest") else w)
        for hook, z_hook in hooks:
            new = np.float32(hook.aged(new, hook_record(hook, cell), time, z_hook))
        if np.isnan(new):
            counts[place[0], NOT_FINITE] += 1
            new = w
        new = within(w if holds(model, cell) else new, cell)
        if written is not state:
            state[place] = within(state[place] + (new - w), cell)
        written[place] = new


def _each(
    model: DeviceModel,
    hook: str,
    state: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    first: int,
    block: Any,
) -> Iterator[tuple[tuple[int, int, int], Any, np.float32, list[tuple[Any, np.float32]]]]:
    """Yield each cross-point: its place, its record, the law's normal, and the classes that fill a hook with theirs."""
    for r in range(len(state)):
        words = vector_keys(streams[r, :1], streams[r, 1:], np.array([first], np.uint64), np.array([block], np.uint32))
        index = np.arange(state[r].size, dtype=np.uint32).reshape(state[r].shape)
        of_law = normal(mix(index, words[0], words[1]))
        of_hooks = [(cls, hook_normals(cls, index, words[2], words[3])) for cls in model.filling(hook)]
        for p, j in np.ndindex(state[r].shape):
            cell = types.SimpleNamespace(**{name: values[r, p, j] for name, values in cells.items()})
            yield (r, p, j), cell, of_law[p, j], [(cls, np.float32(z[p, j])) for cls, z in of_hooks]
