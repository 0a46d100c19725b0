"""Symmetry points: weights at which up and down steps of a law cancel; `find_balance` is the only search for them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.kernels.reference.cell import ask, quiet

Numbers = npt.NDArray[np.float64]
NOISE = 1e-6
"""Part of a step below which a difference of steps is rounding."""
DRAWN = 200
"""Devices whose symmetry points are looked at: their spread is known to 5 %."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Balance:
    """Balance of up and down steps of a device: where pulses that are up as often as down take it.

    Attributes:
        point: the symmetry point; NaN for a device without a single such point.
        low: the lower bound of its weights.
        high: the upper bound.
        at_low: a step up and a step down together at the lower bound; 0 where they cancel, NaN where undefined.
        at_high: a step up and a step down together at the upper bound; 0 where they cancel, NaN where undefined.
    """

    point: float
    low: float
    high: float
    at_low: float
    at_high: float

    @property
    def everywhere(self) -> bool:
        """True if steps cancel at both bounds, so that every state between them is taken for a symmetry point."""
        return self.at_low == 0 == self.at_high

    @property
    def end(self) -> float:
        """Symmetry point, else the bound that steps push to; NaN where they push to both bounds, or to none."""
        if not math.isnan(self.point) or self.everywhere:
            return self.point
        if self.at_low >= 0 and self.at_high >= 0:
            return self.high
        return self.low if self.at_low <= 0 and self.at_high <= 0 else math.nan


@final
@dataclasses.dataclass(frozen=True)
class Points:
    """Symmetry points of the devices of an array, from where their weights are 0.

    Shifting the zero to them takes away what they are off together, and with it the different weights to which they
    pull where they scatter. The first was seen to help a training, the second to cost it: docs/symmetry.md has the
    numbers. So it is advised where the points are farther off together than they scatter.

    Attributes:
        mean: mean of the points; 0 where no device has a symmetry point.
        spread: their standard deviation.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, points: Numbers) -> Points:
        """Return mean and spread of points; NaN is a device without a symmetry point."""
        known = points[np.isfinite(points)]
        return cls(float(known.mean()), float(known.std())) if known.size else cls(0.0, 0.0)

    @property
    def scatter(self) -> bool:
        """Whether the points differ from each other more than they are off together."""
        return self.spread > abs(self.mean)

    @property
    def against_shifting(self) -> str:
        """Words on why the zero is not to be shifted, which follow a number; "" where the points do not scatter."""
        if not self.scatter:
            return ""
        return (
            f"; symmetry points scatter (± {self.spread:.2g}) more than they are off together ({self.mean:.2g}), and "
            "shifting the zero to such points raised the error in trainings"
        )


def points_of(law: Any) -> Points:
    """Return mean and spread of the symmetry points of `DRAWN` devices of a law, with a fixed seed."""
    fields, generator = law.parameters(), np.random.default_rng(0)
    normals = generator.standard_normal((len(fields), DRAWN)).astype(np.float32)
    cells = {name: field.draw(z) for (name, field), z in zip(fields.items(), normals, strict=True)}
    return Points.of(symmetry_points(law, cells))


def find_balance(drift: Callable[[float], float], low: float, high: float, *, negligible: float = 0.0) -> Balance:
    """Find the symmetry point of a device: the weight at which a step up and a step down cancel.

    With d(w) = Δw⁺(w) + Δw⁻(w), where the step down Δw⁻ is negative, it is the zero of d, if d(w_min) > 0 > d(w_max):
    pulses that are up as often as down take the device there from both bounds. Brent's method finds it, to
    10⁻⁹·(w_max - w_min).

    Args:
        drift: d, of a weight.
        low: w_min.
        high: w_max.
        negligible: at the bounds a |d| up to it counts as 0.

    Source: R. P. Brent, Algorithms for Minimization without Derivatives (1973), chapter 4.
    """
    from scipy.optimize import brentq  # a third of a second to import

    low, high = float(low), float(high)
    at_low, at_high = (0.0 if abs(d) <= negligible else d for d in (drift(low), drift(high)))
    point = math.nan
    if at_low > 0 > at_high:
        with contextlib.suppress(ValueError):  # the law is undefined at a weight between its bounds
            point = float(brentq(drift, low, high, xtol=1e-9 * (high - low)))
    return Balance(point=point, low=low, high=high, at_low=at_low, at_high=at_high)


def quiet_balance(law: Any, cell: Any, *, negligible: float | None = None) -> Balance:
    """Find the symmetry point of a cell of a law, pulsed without noise.

    Args:
        law: a device.
        cell: the record of its fields.
        negligible: as of `find_balance`; None: `NOISE` of the largest step at the bounds.
    """

    def drift(w: float) -> float:
        return quiet_step(law, w, True, cell) + quiet_step(law, w, False, cell)

    low, high = cell.w_min, cell.w_max
    if negligible is None:
        negligible = NOISE * max(abs(quiet_step(law, w, up, cell)) for w in (low, high) for up in (True, False))
    return find_balance(drift, low, high, negligible=negligible)


def quiet_step(law: Any, w: float, up: bool, cell: Any) -> float:
    """Return how far a pulse moves w without noise, in weight units; positive is up."""
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
    """Return the record `cell` that a law sees of a device without spreads."""
    numbers = {name: float(parameter.mean) for name, parameter in law.parameters().items()}
    return types.SimpleNamespace(**numbers, **{name: table.values for name, table in law.tables().items()})


def cell_record(law: Any, cells: Mapping[str, Any], number: int) -> types.SimpleNamespace:
    """Return the record `cell` that a law sees of a device out of C.

    Args:
        law: a device.
        cells: its fields (C,), and its tables (C, ...); a table in which cells do not differ may be left out.
        number: of the cell.
    """
    own = {name: values[number] if np.ndim(values) > 1 else float(values[number]) for name, values in cells.items()}
    return types.SimpleNamespace(**{name: table.values for name, table in law.tables().items()} | own)


def symmetry_points(law: Any, cells: Mapping[str, npt.ArrayLike], *, closed_form: bool = True) -> Numbers:
    """Return the weight of each device at which an up and a down pulse without noise cancel; NaN if it is not unique.

    Where the law has `symmetry(cell)`, this closed form; else what `find_balance` finds for steps without noise.

    Args:
        law: a device.
        cells: its fields, of shapes that broadcast; the answer has their common shape.
        closed_form: True uses the law's closed form `symmetry`, if it has it.
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
    found = [quiet_balance(law, cell_record(law, flat, number)).point for number in range(math.prod(shape))]
    return np.array(found, np.float64).reshape(shape)
