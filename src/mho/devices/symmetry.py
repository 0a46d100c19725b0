"""Where the up and down steps of a law cancel."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.kernels.reference.cell import ask, quiet

Numbers = npt.NDArray[np.float64]
NOISE = 1e-6
"""Part of a step below which a difference of steps is rounding."""


def quiet_step(law: Any, w: float, up: bool, cell: Any) -> float:
    """How far one pulse moves w without noise; positive is up."""
    return float(ask(law, w, (), up, cell, quiet(law))[0]) - w


def middle_steps(law: Any) -> tuple[float, float]:
    """Return the sizes of the nominal device's steps up and down at w = 0, or in mid-range where 0 is outside it."""
    cell = nominal_cell(law)
    middle = 0.0 if cell.w_min < 0 < cell.w_max else (cell.w_min + cell.w_max) / 2
    return quiet_step(law, middle, True, cell), -quiet_step(law, middle, False, cell)


def count_of_states(law: Any) -> float:
    """Return the nominal range over the mean of a step up and a step down in its middle; inf where nothing moves."""
    cell, mean = nominal_cell(law), sum(middle_steps(law)) / 2
    return float(cell.w_max - cell.w_min) / mean if mean > 0 else math.inf


def nominal_cell(law: Any) -> types.SimpleNamespace:
    """The record that a law would see of a device without spreads."""
    numbers = {name: float(parameter.mean) for name, parameter in law.parameters().items()}
    return types.SimpleNamespace(**numbers, **{name: table.values for name, table in law.tables().items()})


def cell_record(law: Any, cells: Mapping[str, Any], number: int) -> types.SimpleNamespace:
    """The record that a law sees of one of C cells.

    Args:
        law: a device.
        cells: its fields (C,), and its tables (C, ...); a table in which cells do not differ may be left out.
        number: of the cell.
    """
    own = {name: values[number] if np.ndim(values) > 1 else float(values[number]) for name, values in cells.items()}
    return types.SimpleNamespace(**{name: table.values for name, table in law.tables().items()} | own)


def symmetry_points(law: Any, cells: Mapping[str, npt.ArrayLike], *, closed_form: bool = True) -> Numbers:
    """Weight of each cell where an up and a down pulse without noise cancel; NaN where there is no one such weight.

    Where the law has `symmetry(cell)`, this closed form; else the zero of their sum between the bounds, to 10⁻⁹ of the
    range, if up steps are larger at w_min and down steps at w_max.

    Args:
        law: a device.
        cells: its fields, of shapes that broadcast; the answer has their common shape.
        closed_form: whether to use the law's, if it has one.
    """
    tables = {name: np.asarray(cells.get(name, table.values)) for name, table in law.tables().items()}
    numbers = {name: np.asarray(values, np.float64) for name, values in cells.items() if name not in tables}
    fields = dict(zip(numbers, np.broadcast_arrays(*numbers.values()), strict=True))
    shape = next(iter(fields.values())).shape
    if closed_form and hasattr(law, "symmetry"):
        cell = types.SimpleNamespace(**fields, **tables)
        return np.broadcast_to(np.asarray(law.symmetry(cell), np.float64), shape).copy()
    flat = {name: values.reshape(-1) for name, values in fields.items()}
    for name, values in tables.items():
        own = law.tables()[name].values.shape
        if values.shape != own:  # cells differ
            flat[name] = values.reshape(-1, *own)
    found = [_zero(law, cell_record(law, flat, number)) for number in range(math.prod(shape))]
    return np.array(found, np.float64).reshape(shape)


def _zero(law: Any, cell: Any) -> float:
    from scipy.optimize import brentq  # a third of a second to import

    def drift(w: float) -> float:
        return quiet_step(law, w, True, cell) + quiet_step(law, w, False, cell)

    low, high = cell.w_min, cell.w_max
    noise = NOISE * max(abs(quiet_step(law, w, up, cell)) for w in (low, high) for up in (True, False))
    if not (drift(low) > noise and drift(high) < -noise):
        return float("nan")
    return float(brentq(drift, low, high, xtol=1e-9 * (high - low)))
