"""One cross-point of the reference: calls of its law and its hooks, and the weight that follows from their answers."""

from __future__ import annotations

import functools
from collections import namedtuple
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.compiler.hooks import Hooks, hook_record
from mho.compiler.model import DeviceModel
from mho.kernels.counts import BOUND_HITS, NOT_FINITE
from mho.kernels.ops import Counts
from mho.random import SECOND_DRAW, mix, normal

Words = npt.NDArray[np.uint32]


def ask(law: Any, w: Any, states: Any, up: bool, cell: Any, z: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return weight and hidden states after a pulse, for laws with no, one or several hidden states.

    Args:
        law: a device, or its class.
        w: the weight, in the array's units.
        states: hidden states, in the order of `law.states`; empty: all 0.
        up: True for a pulse up.
        cell: record of the device's fields.
        z: a standard normal; a pair of them for a law with draws = 2.

    Returns:
        The new weight, not yet clipped to the bounds, and the new hidden states.
    """
    if not law.states:
        return law.pulse(w, up, cell, z), ()
    before = tuple(states) or (0.0,) * len(law.states)
    if len(law.states) == 1:
        new, h = law.pulse(w, before[0], up, cell, z)
        return new, (h,)
    new, after = law.pulse(w, _record(law.states)(*before), up, cell, z)
    return new, tuple(after)


@functools.cache
def _record(states: tuple[str, ...]) -> Any:
    return namedtuple("States", states)


def quiet(law: Any) -> Any:
    """Return the z of a pulse without noise: 0, or a pair of zeros for a law with draws = 2."""
    return (0.0, 0.0) if law.draws == 2 else 0.0  # floats of Python keep the precision of w


def drawn(law: Any, index: Words, key_0: Words, key_1: Words) -> Any:
    """Return the standard normal z of a pulse under these keys, each (1,); a pair for a law with draws = 2."""
    first = np.float32(normal(mix(index, key_0, key_1))[0])
    return first if law.draws == 1 else (first, np.float32(normal(mix(index | SECOND_DRAW, key_0, key_1))[0]))


def hook_normals(hook_class: type[Hooks], index: Words, key_0: Words, key_1: Words) -> npt.NDArray[np.float32]:
    """Return the standard normals z of the hooks of a class under these keys, in the shape of `index`."""
    own_0, own_1 = map(np.uint32, hook_class.draw_key())
    return np.asarray(normal(mix(index, key_0 ^ own_0, key_1 ^ own_1)), np.float32)


def accepts_pulse(model: DeviceModel, up: bool, cell: Any) -> bool:
    """Return True if the device responds to a pulse of this direction."""
    return all(hook.accepts_pulse(up, hook_record(hook, cell)) for hook in model.filling("accepts_pulse"))


def moves_up(model: DeviceModel, up: bool, cell: Any) -> bool:
    """Return the direction in which a pulse moves the device."""
    for hook in model.filling("moves_up"):
        up = bool(hook.moves_up(up, hook_record(hook, cell)))
    return up


def holds(model: DeviceModel, cell: Any) -> bool:
    """Return True if the device never moves."""
    return any(hook.holds(hook_record(hook, cell)) for hook in model.filling("holds"))


def written(model: DeviceModel, w: np.float32, cell: Any, keys: tuple[Any, Any, Any]) -> np.float32:
    """Return the weight to be read after a pulse with these keys has written w, within the bounds."""
    for hook in model.filling("written"):
        w = np.float32(hook.written(w, hook_record(hook, cell), hook_normals(hook, *keys)[0]))
    return within(w, cell)


def within(w: Any, cell: Any) -> np.float32:
    """Return w clipped to the bounds w_min and w_max of its device."""
    return np.float32(min(max(w, cell.w_min), cell.w_max))


def kept_weight(model: DeviceModel, new: Any, old: np.float32, cell: Any, counts: Counts) -> np.float32:
    """Return the weight that follows from a law's answer.

    NaN is replaced by the old weight and counted in NOT_FINITE, a device that never moves keeps its weight, and a
    weight beyond a bound is clipped and counted in BOUND_HITS.
    """
    new = np.float32(new)
    if np.isnan(new):
        counts[NOT_FINITE] += 1
        new = old
    if holds(model, cell):
        new = old
    kept = within(new, cell)
    counts[BOUND_HITS] += kept != new
    return kept
