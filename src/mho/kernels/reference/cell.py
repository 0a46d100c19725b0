"""One cross-point: what its law is given, and what becomes of the answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.kernels.counts import BOUND_HITS, NOT_FINITE
from mho.random import SECOND_DRAW, WRITING_KEY, mix, normal

Words = npt.NDArray[np.uint32]


def ask(law: Any, w: Any, h: Any, up: bool, cell: Any, z: Any) -> tuple[Any, Any]:
    """A law's answer to a pulse, whatever its contract: weight and hidden state; z is a pair where it draws two."""
    return law.pulse(w, h, up, cell, z) if law.state else (law.pulse(w, up, cell, z), h)


def quiet(law: Any) -> Any:
    """The z of a pulse without noise."""
    return (0.0, 0.0) if law.draws == 2 else 0.0  # floats of Python keep the precision of w


def drawn(law: Any, index: Words, key_0: Words, key_1: Words) -> Any:
    """The z of a pulse under these keys, each (1,)."""
    first = np.float32(normal(mix(index, key_0, key_1))[0])
    return first if law.draws == 1 else (first, np.float32(normal(mix(index | SECOND_DRAW, key_0, key_1))[0]))


def writing_normal(index: Words, key_0: Words, key_1: Words) -> np.float32:
    """The normal of the write noise of the same pulse."""
    return np.float32(normal(mix(index, key_0, key_1 ^ WRITING_KEY))[0])


def aged(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """The weight after a time dt in which nothing else happens to it than decay, drift and diffusion."""
    if not hasattr(cell, "decay"):
        return w
    left = cell.decay_to + (w - cell.decay_to) * math.exp(-cell.decay * dt)
    return left + cell.drift * dt + cell.diffusion * math.sqrt(dt) * z


def stuck(cell: Any) -> bool:
    """Whether the device never moves."""
    return bool(getattr(cell, "stuck", 0) > 0)


def within(w: Any, cell: Any) -> np.float32:
    """A weight clipped to the bounds of its device."""
    return np.float32(min(max(w, cell.w_min), cell.w_max))


def settled(new: Any, old: np.float32, cell: Any, counts: npt.NDArray[np.int64]) -> np.float32:
    """What stays of a law's answer: no NaN, no move of a stuck device, nothing beyond a bound; both are counted."""
    new = np.float32(new)
    if np.isnan(new):
        counts[NOT_FINITE] += 1
        new = old
    if stuck(cell):
        new = old
    kept = within(new, cell)
    counts[BOUND_HITS] += kept != new
    return kept
