"""One cross-point: the functions that a law, an effect or a cell may replace in a kernel.

The functions below are those of a plain device: no effect, no hidden state, one normal per pulse. `mho.compiler.model`
replaces a function where a law, an effect or a cell asks for it, so that a plain device costs nothing for what others
need. Arguments: w, the weight (float32); up, the direction of a pulse; cell, the record of the device's fields; index,
the number of the cross-point in its replica (uint32); key_0 and key_1, the keys of the draw (uint32).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.law import pulse
from mho.random import SECOND_DRAW, mix, normal


def draw_one(index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the standard normal z of a pulse."""
    return normal(mix(index, key_0, key_1))


def draw_pair(index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the pair of standard normals z of a pulse, for a law with draws = 2."""
    # the first normal is that of a law with one draw, so that an added draw changes no other
    return normal(mix(index, key_0, key_1)), normal(mix(np.uint32(index | SECOND_DRAW), key_0, key_1))


def effect_normal(index: Any, key_0: Any, key_1: Any, own_0: Any, own_1: Any) -> Any:
    """Return the standard normal z of a hook, whose class mixes its own two words into the keys."""
    return normal(mix(index, np.uint32(key_0 ^ own_0), np.uint32(key_1 ^ own_1)))


def step_plain(w: Any, h: Any, up: Any, cell: Any, z: Any) -> Any:
    """Return weight and hidden states after a pulse of a law without hidden states."""
    return pulse(w, up, cell, z), h


def step_hidden(w: Any, h: Any, up: Any, cell: Any, z: Any) -> Any:
    """Return weight and hidden states after a pulse of a law with hidden states."""
    return pulse(w, h, up, cell, z)


def states_at(lanes: Any, lane: Any) -> Any:
    """Return the hidden states of the listed cross-point `lane`: a number, or a record of several."""
    return np.float32(0)


def next_states(new: Any, old: Any, moves: Any) -> Any:
    """Return the hidden states as float32: `new` if the device moves, else `old`."""
    return old


def keep_states(lanes: Any, lane: Any, h: Any) -> None:
    """Write the hidden states h of the listed cross-point `lane`."""


def accepts_pulse(up: Any, cell: Any) -> Any:
    """Return True if the device responds to a pulse of this direction."""
    return True


def moves_up(up: Any, cell: Any) -> Any:
    """Return the direction in which a pulse moves the device."""
    return up


def holds(cell: Any) -> Any:
    """Return True if the device never moves."""
    return False


def moved(new: Any, w: Any, cell: Any) -> Any:
    """Return the weight after a move from w to `new`: w if the device never moves."""
    return w if holds(cell) else new


def written(w: Any, cell: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the weight to be read after a pulse has written w, for example with write noise."""
    return w


def seen(w: Any, cell: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the weight w as a single read sees it."""
    return w


def aged(w: Any, cell: Any, dt: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the weight w after a time dt, in optimizer steps, without pulses."""
    return w
