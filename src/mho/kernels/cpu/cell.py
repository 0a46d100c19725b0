"""One cross-point: what its law is given, and what becomes of the answer.

Kernels import the first of each pair below; `mho.compiler.compile` puts the second in its place where the law or an
option asks for it. A plain law costs nothing for what others need.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mho.compiler.law import pulse, read, rest
from mho.random import SECOND_DRAW, WRITING_KEY, mix, normal


def draw_one(index: Any, key_0: Any, key_1: Any) -> Any:
    """The z of a pulse."""
    return normal(mix(index, key_0, key_1))


def draw_pair(index: Any, key_0: Any, key_1: Any) -> Any:
    """The z of a pulse of a law with draws = 2: the first as of other laws."""
    return normal(mix(index, key_0, key_1)), normal(mix(np.uint32(index | SECOND_DRAW), key_0, key_1))


def step_plain(w: Any, h: Any, up: Any, cell: Any, z: Any) -> Any:
    """Weight and hidden state after a pulse."""
    return pulse(w, up, cell, z), h


def step_hidden(w: Any, h: Any, up: Any, cell: Any, z: Any) -> Any:
    """The same of a law with state = True."""
    return pulse(w, h, up, cell, z)


def heed_all(up: Any, cell: Any) -> Any:
    """Whether a device takes part in pulses of this direction."""
    return True


def heed_side(up: Any, cell: Any) -> Any:
    """The same where a cell is two devices, one for each direction: `side` is 1 or -1."""
    return up == (cell.side > 0)


def turn_not(up: Any, cell: Any) -> Any:
    """The direction in which a pulse moves the device."""
    return up


def turn_up(up: Any, cell: Any) -> Any:
    """The same where every device only rises."""
    return True


def hold_none(new: Any, w: Any, cell: Any) -> Any:
    """The new weight of a device that may be stuck at w."""
    return new


def hold_stuck(new: Any, w: Any, cell: Any) -> Any:
    """The same where some are."""
    return w if cell.stuck > 0 else new


def show_same(w: Any, cell: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """What a pulse leaves to be read of the weight w that it wrote."""
    return w


def show_noisy(w: Any, cell: Any, index: Any, key_0: Any, key_1: Any) -> Any:
    """The same with write noise, within the bounds."""
    z = normal(mix(index, key_0, np.uint32(key_1 ^ WRITING_KEY)))
    return min(max(w + cell.write_noise * z, cell.w_min), cell.w_max)


def see_all(w: Any, cell: Any, z: Any) -> Any:
    """What a read sees of the weight w."""
    return w


def see_by_law(w: Any, cell: Any, z: Any) -> Any:
    """The same of a law that says so."""
    return read(w, cell, z)


def vary_not(w: Any, cell: Any, z: Any) -> Any:
    """What is left of it in one read."""
    return w


def vary_each_read(w: Any, cell: Any, z: Any) -> Any:
    """The same where weights vary from read to read."""
    return w + cell.read_variation * z


def rest_not(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """The weight after a time dt."""
    return w


def rest_by_law(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """The same of a law that says so."""
    return rest(w, cell, dt, z)


def age_not(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """The weight after a time dt in which nothing else happens to it."""
    return w


def age_by_options(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """The same with decay, drift and diffusion."""
    left = cell.decay_to + (w - cell.decay_to) * math.exp(-cell.decay * dt)
    return left + cell.drift * dt + cell.diffusion * math.sqrt(dt) * z
