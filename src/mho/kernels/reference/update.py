"""Update cycle in NumPy: cross-point by cross-point, with the law as plain Python."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.compiler.model import DeviceModel
from mho.kernels.counts import COINCIDENCES, NOT_FINITE
from mho.kernels.ops import Counts, Floats
from mho.kernels.reference.cell import accepts_pulse, ask, drawn, holds, kept_weight, moves_up, written
from mho.kernels.reference.trains import BitTrains
from mho.random import BLOCKS_A_WORD, SLOTS_A_TRAIN, vector_keys

PulseKeys = Callable[[int], tuple[Any, Any, Any]]
"""Function from the number of a pulse to the index of its cross-point and its two key words."""


def update(
    counts: Counts,
    model: DeviceModel,
    state: Floats,
    hidden: Floats,
    fields: dict[str, Floats],
    trains: BitTrains,
    streams: npt.NDArray[np.uint32],
    first: int,
) -> None:
    """Apply trains: each coincidence A = B = 1 moves w_ij by a step of the law in the direction sign(x_j δ_i).

    Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update.

    Args:
        counts: (R, SIZE); coincidences and bound hits are added, steps that are not finite to NOT_FINITE.
        model: the law, and the hooks beside it.
        state: weights that reads see, (R, P, N); updated.
        hidden: states that reads do not see, (R, H, P, N); updated.
        fields: every field of the law in the shape of the state, every table with axes of its own behind.
        trains: pulses of columns and rows.
        streams: keys of the stream, (R, 2) uint32.
        first: number of the first vector, which names the draws.
    """
    copies = state.shape[1] // trains.d.shape[2]
    for r, t in np.ndindex(trains.x.shape[:2]):
        up = np.equal.outer(np.tile(trains.d[r, t] < 0, copies), trains.x[r, t] < 0)
        for word, start in enumerate(range(0, trains.columns.shape[3], SLOTS_A_TRAIN)):
            slots = slice(start, start + SLOTS_A_TRAIN)
            rows, columns = (sent[r, t, :, slots].astype(np.int64) for sent in (trains.rows, trains.columns))
            coincidences, keys = rows @ columns.T, _Keys(streams[r], first + int(t), word)
            for p, j in zip(*np.nonzero(coincidences), strict=True):
                cell = types.SimpleNamespace(**{name: values[r, p, j] for name, values in fields.items()})
                if not accepts_pulse(model, bool(up[p, j]), cell):
                    continue
                counts[r, COINCIDENCES] += coincidences[p, j]
                pulses = functools.partial(keys.of, np.array([int(p) * state.shape[2] + int(j)], np.uint32))
                before = np.concatenate([[state[r, p, j]], hidden[r, :, p, j]])
                n, rises = int(coincidences[p, j]), moves_up(model, bool(up[p, j]), cell)
                state[r, p, j], *hidden[r, :, p, j] = move(model, before, n, rises, cell, pulses, counts[r])


class _Keys:
    """Keys of the pulses in one word of slots of a vector, which all cross-points have in common."""

    def __init__(self, stream: npt.NDArray[np.uint32], vector: int, word: int) -> None:
        blocks = np.arange(SLOTS_A_TRAIN, dtype=np.uint32) + np.uint32(1 + BLOCKS_A_WORD * word)
        self._keys = vector_keys(stream[:1], stream[1:], np.array([vector], np.uint64), blocks)[:2]

    def of(self, cell: npt.NDArray[np.uint32], pulse: int) -> tuple[Any, Any, Any]:
        """Return the index of a cross-point and the keys of a pulse, by its number, (1,) each."""
        first, second = (key[pulse : pulse + 1] for key in self._keys)
        return cell, first, second


def move(
    model: DeviceModel, before: Floats, n: int, up: bool, cell: Any, pulse_keys: PulseKeys, counts: Counts
) -> list[np.float32]:
    """Return the weight and the hidden states of a device after n coincidences in one direction.

    n > 1 pulses are merged into the law's closed form, w += n·step + √n·spread·z, if the nearest bound is farther than
    the law's `reach`; else they are applied singly, each clipped to the bounds.

    Args:
        model: the law, and the hooks beside it.
        before: the weight that reads see, then the hidden states, (1 + H,).
        n: coincidences, at least 1.
        up: True for pulses up.
        cell: record of the device's fields.
        pulse_keys: returns index and keys of a pulse, by its number.
        counts: (SIZE,) of the replica; bound hits and steps that are not finite are added.

    Returns:
        The weight that reads see, then the hidden states.
    """
    law: Any = model.law_class
    hides, fixed = bool(model.filling("written")), holds(model, cell)
    shown, w, states = before[0], before[1 if hides else 0], tuple(before[2 if hides else 1 :])
    room = min(cell.w_max - w, w - cell.w_min)
    count = np.float32(n)
    if n > 1 and hasattr(law, "pulses") and room > law.reach(count, up, cell):
        w = kept_weight(model, law.pulses(w, count, up, cell, drawn(law, *pulse_keys(0))), w, cell, counts)
        last = 0
    else:
        for pulse in range(n):
            new, after = ask(law, w, states, up, cell, drawn(law, *pulse_keys(pulse)))
            w = kept_weight(model, new, w, cell, counts)
            states = states if fixed else tuple(np.float32(h) for h in after)
        last = n - 1
    if hides and not fixed:  # what the last pulse has left is read
        shown = written(model, w, cell, pulse_keys(last))
    return [shown, w, *states] if hides else [w, *states]


def outer(counts: Counts, state: Floats, x: Floats, d: Floats, lr: Floats) -> None:
    """Update ideal devices exactly: w_pj += (lr·δ_tp)·x_tj for t = 0, 1, ..., one vector after another.

    Args:
        counts: (R, SIZE); errors that are not finite are added to NOT_FINITE.
        state: weights, (R, P, N); updated.
        x: (R, T, N).
        d: δ, (R, T, M); the P/M devices of a weight get the same step.
        lr: learning rate of each replica, (R,).
    """
    copies = state.shape[1] // d.shape[2]
    for r, t in np.ndindex(x.shape[:2]):
        counts[r, NOT_FINITE] += (~np.isfinite(d[r, t])).sum()
        state[r] += np.multiply.outer(lr[r] * np.tile(d[r, t], copies), x[r, t])
