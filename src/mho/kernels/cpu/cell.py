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
    """Return the standard normal z of a pulse, float32.

    Args:
        index: number of the cross-point in its replica, uint32.
        key_0: first key word of the draw, uint32.
        key_1: second key word, uint32.
    """
    return normal(mix(index, key_0, key_1))


def draw_pair(index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the pair of standard normals z of a pulse, float32 each, for a law with draws = 2.

    Args:
        index: number of the cross-point in its replica, uint32.
        key_0: first key word of the draw, uint32.
        key_1: second key word, uint32.
    """
    # the first normal is that of a law with one draw, so that an added draw changes no other
    return normal(mix(index, key_0, key_1)), normal(mix(np.uint32(index | SECOND_DRAW), key_0, key_1))


def effect_normal(index: Any, key_0: Any, key_1: Any, own_0: Any, own_1: Any) -> Any:
    """Return the standard normal z of an effect's hook, float32.

    Args:
        index: number of the cross-point in its replica, uint32.
        key_0: first key word of the draw, uint32.
        key_1: second key word, uint32.
        own_0: first word of the effect's class, uint32, which is mixed into key_0.
        own_1: second word, mixed into key_1.
    """
    return normal(mix(index, np.uint32(key_0 ^ own_0), np.uint32(key_1 ^ own_1)))


def step_plain(w: Any, h: Any, up: Any, cell: Any, z: Any) -> Any:
    """Return weight and hidden states after a pulse of a law without hidden states; no bound is enforced here.

    Args:
        w: weight in array units, float32.
        h: what `states_at` returns, handed back as it is.
        up: True for a pulse up.
        cell: record of the device's fields and tables.
        z: standard normal of the pulse, or a pair of them for a law with draws = 2.
    """
    return pulse(w, up, cell, z), h


def step_hidden(w: Any, h: Any, up: Any, cell: Any, z: Any) -> Any:
    """Return weight and hidden states after a pulse of a law with hidden states; no bound is enforced here.

    Args:
        w: weight in array units, float32.
        h: hidden states of the device, a number or a record of several, as `states_at` returns.
        up: True for a pulse up.
        cell: record of the device's fields and tables.
        z: standard normal of the pulse, or a pair of them for a law with draws = 2.
    """
    return pulse(w, h, up, cell, z)


def states_at(lanes: Any, lane: Any) -> Any:
    """Return the hidden states of the listed cross-point `lane`: a number, or a record of several."""
    return np.float32(0)


def next_states(new: Any, old: Any, moves: Any) -> Any:
    """Return the hidden states of a device after a pulse as float32: `new` if the device moves, else `old`.

    A plain device has none, and `old` is returned.

    Args:
        new: states by the law, a number or a tuple in the order in which the law names them.
        old: states before the pulse, as `states_at` returns.
        moves: True if the pulse acts.
    """
    return old


def keep_states(lanes: Any, lane: Any, h: Any) -> None:
    """Write the hidden states of a listed cross-point; a plain device has none, and nothing is written.

    Args:
        lanes: slots of a list as in `mho.kernels.cpu.moves`, flat float32.
        lane: entry of the list, from 0.
        h: the states, as `next_states` returns.
    """


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
    """Return the weight after a move from w to `new`, in array units: w if the device never moves.

    Args:
        new: weight after the move, float32.
        w: weight in array units, float32.
        cell: record of the device's fields and tables.
    """
    return w if holds(cell) else new


def written(w: Any, cell: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the weight that reads see after a pulse has written w, for example with write noise.

    A plain device shows w. Weights are in array units.

    Args:
        w: weight in array units, float32.
        cell: record of the device's fields and tables.
        index: number of the cross-point in its replica, uint32.
        key_0: first key word of the draw, uint32.
        key_1: second key word, uint32.
    """
    return w


def seen(w: Any, cell: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the weight w as a single read sees it, in array units; a plain device shows w.

    Args:
        w: weight in array units, float32.
        cell: record of the device's fields and tables.
        index: number of the cross-point in its replica, uint32.
        key_0: first key word of the draw, uint32.
        key_1: second key word, uint32.
    """
    return w


def aged(w: Any, cell: Any, dt: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """Return the weight w after a time without pulses, in array units; a plain device keeps w.

    Args:
        w: weight in array units, float32.
        cell: record of the device's fields and tables.
        dt: the time, in optimizer steps.
        index: number of the cross-point in its replica, uint32.
        key_0: first key word of the draw, uint32.
        key_1: second key word, uint32.
    """
    return w
