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
from mho.kernels.ops import Counts, Floats
from mho.kernels.reference.cell import holds, hook_normals, within
from mho.random import READING_BLOCK, RESTING_BLOCK, mix, normal, vector_keys


def visible(
    counts: Counts,
    model: DeviceModel,
    state: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    first: int,
    out: Floats,
) -> None:
    """Compute the weights that a read sees: the law's `read`, then each effect's `seen`, with the draws of that read.

    Args:
        counts: (R, SIZE); NaN are added to NOT_FINITE, and replaced by the state.
        model: the law, and the hooks beside it.
        state: (R, P, N).
        cells: fields of the devices by name, each (R, P, N).
        streams: keys of the stream of the reads, (R, 2) uint32.
        first: number of the read's first vector, which names the draws.
        out: takes the weights, (R, P, N).
    """
    law: Any = model.law_class
    for place, cell, z, hooks in _each(model, "seen", state, cells, streams, first, READING_BLOCK):
        seen = np.float32(law.read(state[place], cell, z) if hasattr(law, "read") else state[place])
        for hook, z_hook in hooks:
            seen = np.float32(hook.seen(seen, hook_record(hook, cell), z_hook))
        counts[place[0], NOT_FINITE] += np.isnan(seen)
        out[place] = state[place] if np.isnan(seen) else seen


def rest(
    counts: Counts,
    model: DeviceModel,
    state: Floats,
    hidden: Floats,
    cells: dict[str, Floats],
    streams: npt.NDArray[np.uint32],
    dt: float,
    first: int,
) -> None:
    """Let time pass: apply the law's `rest`, then each effect's `aged`, and clip to the bounds.

    With write noise the written weight changes, and the weight that is read moves by the same difference.

    Args:
        counts: (R, SIZE); NaN are added to NOT_FINITE, and their weights stay as they were.
        model: the law, and the hooks beside it.
        state: weights that reads see, (R, P, N); updated.
        hidden: states that reads do not see, (R, H, P, N), with write noise the written weight first; updated.
        cells: fields of the devices by name, each (R, P, N).
        streams: keys of the stream of time, (R, 2) uint32.
        dt: time in optimizer steps.
        first: number that names the draws.
    """
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
    """Yield each cross-point: its index, the record of its fields, the law's normal, and each hook with its normal."""
    for r in range(len(state)):
        words = vector_keys(streams[r, :1], streams[r, 1:], np.array([first], np.uint64), np.array([block], np.uint32))
        index = np.arange(state[r].size, dtype=np.uint32).reshape(state[r].shape)
        of_law = normal(mix(index, words[0], words[1]))
        of_hooks = [(cls, hook_normals(cls, index, words[2], words[3])) for cls in model.filling(hook)]
        for p, j in np.ndindex(state[r].shape):
            cell = types.SimpleNamespace(**{name: values[r, p, j] for name, values in cells.items()})
            yield (r, p, j), cell, of_law[p, j], [(cls, np.float32(z[p, j])) for cls, z in of_hooks]
