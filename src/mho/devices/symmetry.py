"""Where the up and down steps of a law cancel."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
NOISE = 1e-6
"""Part of a step below which a difference of steps is rounding."""


def quiet_step(law: Any, w: float, up: bool, cell: Any) -> float:
    """How far one pulse moves w without noise; positive is up."""
    return float(law.pulse(w, up, cell, 0.0)) - w


def symmetry_points(law: Any, cells: Mapping[str, npt.ArrayLike], *, closed_form: bool = True) -> Numbers:
    """Weight of each cell where an up and a down pulse without noise cancel; NaN where there is no one such weight.

    Where the law has `symmetry(cell)`, this closed form; else the zero of their sum between the bounds, to 10⁻⁹ of the
    range, if up steps are larger at w_min and down steps at w_max.

    Args:
        law: a device.
        cells: its fields, of shapes that broadcast; the answer has their common shape.
        closed_form: whether to use the law's, if it has one.
    """
    fields = dict(zip(cells, np.broadcast_arrays(*(np.asarray(v, np.float64) for v in cells.values())), strict=True))
    shape = next(iter(fields.values())).shape
    if closed_form and hasattr(law, "symmetry"):
        return np.broadcast_to(np.asarray(law.symmetry(types.SimpleNamespace(**fields)), np.float64), shape).copy()
    found = np.empty(shape)
    for place in np.ndindex(shape):
        found[place] = _zero(law, types.SimpleNamespace(**{name: float(v[place]) for name, v in fields.items()}))
    return found


def _zero(law: Any, cell: Any) -> float:
    from scipy.optimize import brentq  # a third of a second to import

    def drift(w: float) -> float:
        return quiet_step(law, w, True, cell) + quiet_step(law, w, False, cell)

    low, high = cell.w_min, cell.w_max
    noise = NOISE * max(abs(quiet_step(law, w, up, cell)) for w in (low, high) for up in (True, False))
    if not (drift(low) > noise and drift(high) < -noise):
        return float("nan")
    return float(brentq(drift, low, high, xtol=1e-9 * (high - low)))
