"""What some devices of an array do at a pulse, asked of their law: mean steps, and where they are drawn to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho.arrays import Array
from mho.banks import BankSpec
from mho.devices import Device
from mho.devices.symmetry import Balance, cell_record, find_balance
from mho.kernels.reference.cell import ask

Doubles = npt.NDArray[np.float64]
NODES = ((0.0, 2 / 3), (math.sqrt(3), 1 / 6), (-math.sqrt(3), 1 / 6))
"""z and weights of Gauss-Hermite quadrature: exact for means of polynomials up to the fifth degree in z."""
DEVICES = 256
"""Devices of an array that are asked, evenly spread: a share of them is known to 3 % (1/(2√256))."""
NEAR = 0.01
"""Share of a device's range around its symmetry point over which the slope of its asymmetry is taken."""
EQUAL = 1e-6
"""Steps up and down that differ by less, relatively, are equal: it is what rounding makes of equal steps."""


@final
class Steps:
    """Devices of one bank of a replica of an array at their present states; the law runs interpreted.

    Args:
        array: whose devices.
        replica: its number.
        bank: name of the bank; None: the bank that updates pulse.

    Attributes:
        states: of the pulsed devices, (D,).
        zeros: where each is when its weight is 0, (D,): its reference, or 0.
        up, down: mean steps up and down, (D,), at least 0 for an ordinary law; NaN where the law is undefined.
        square: mean square of a step, up and down alike, (D,).
    """

    def __init__(self, array: Array, replica: int, bank: str | None = None) -> None:
        of = BankPlace.of(array, bank or array.main.name)
        spec, law = of.spec, type(of.spec.device)
        pulsed = of.devices(array.device_weights[replica])[: spec.lines]
        zeros = torch.zeros_like(pulsed)
        if spec.reference or spec.fixed is not None:
            zeros = pulsed - array.matrix_of(spec.name)[replica]
        states = pulsed.flatten().numpy()
        chosen = np.unique(np.linspace(0, states.size - 1, min(DEVICES, states.size)).astype(int))
        fields = {
            name: values[replica, : spec.lines].flatten(0, 2).numpy()[chosen]
            for name, values in of.fields(array.cell_parameters()).items()
        }
        self.law, self.states = law, states[chosen].astype(np.float64)
        self.zeros = zeros.flatten().double().numpy()[chosen]
        self.only_rises = spec.one_way
        self.cells = [cell_record(spec.device, fields, place) for place in range(len(chosen))]
        moves = [_moves(law, float(w), cell) for w, cell in zip(self.states, self.cells, strict=True)]
        self.up, self.down, self.square = np.array(moves, np.float64).T

    def imbalance(self) -> float:
        """Size of (up - down)/(up + down), of the means over the devices, less two standard errors."""
        defined = np.isfinite(self.up + self.down)
        difference, total = (self.up - self.down)[defined], (self.up + self.down)[defined].sum()
        if difference.size < 2 or total <= 0 or self.only_rises:
            return 0.0
        error = difference.std(ddof=1) / math.sqrt(difference.size)
        return float(max(abs(difference.mean()) - 2 * error, 0.0) * difference.size / total)

    def relaxation(self) -> Doubles:
        """Return how far from its symmetry point τ each device has one step twice the mean and the other 0, (D,).

        Extrapolated from the slope of (down - up)/(down + up) at the symmetry point, as 1/slope; NaN without such a
        point, or where nothing pulls devices to it.
        """
        return np.array(
            [_relaxation(self.law, cell, at) for cell, at in zip(self.cells, self.attractors(), strict=True)]
        )

    def attractors(self) -> Doubles:
        """Where pulses that are up as often as down take each device, (D,).

        The symmetry point, where mean steps up and down are equal; a bound, where one of them is larger over the
        whole range; NaN, where they are equal over the whole range or push away from where they are equal, or where
        devices are pulsed in one direction only.
        """
        return np.array([math.nan if self.only_rises else _balance(self.law, cell).end for cell in self.cells])


@final
@dataclasses.dataclass(frozen=True)
class BankPlace:
    """Where the devices of a bank stand among all devices of an array.

    Attributes:
        spec: of the bank.
        first: number of its first device of a weight.
        prefix: of its fields' names.
    """

    spec: BankSpec
    first: int
    prefix: str

    @classmethod
    def of(cls, array: Array, bank: str) -> BankPlace:
        """Return the place of a bank by its name."""
        banks = array.rpu.banks
        place = [spec.name for spec in banks].index(bank)
        return cls(banks[place], sum(spec.devices for spec in banks[:place]), f"{bank}." if place else "")

    def devices(self, values: Tensor) -> Tensor:
        """Return those of the bank from values (devices, out, in) of all."""
        return values[self.first : self.first + self.spec.devices]

    def fields(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the fields of the bank, by their names in its law, from those of all banks."""
        own = (*self.spec.device.parameters(), *self.spec.device.tables())
        return {name: parameters[self.prefix + name] for name in own if self.prefix + name in parameters}


def _moves(law: type[Device], w: float, cell: Any) -> tuple[float, float, float]:
    """Mean step up, mean step down, mean square of both."""
    ups, downs = ([_pulse(law, w, up, cell, z) - w for z, _ in NODES] for up in (True, False))
    up, down = (sum(weight * step for (_, weight), step in zip(NODES, steps, strict=True)) for steps in (ups, downs))
    square = sum(weight * (u * u + d * d) / 2 for (_, weight), u, d in zip(NODES, ups, downs, strict=True))
    return up, -down, square


def _pulse(law: type[Device], w: float, up: bool, cell: Any, z: float) -> float:
    try:
        pair = z if law.draws == 1 else (z, 0.0)
        return float(ask(law, w, (), up, cell, pair)[0])
    except (ArithmeticError, ValueError, TypeError):  # outside the range of the law's formula
        return math.nan


def _relaxation(law: type[Device], cell: Any, point: float) -> float:
    """Return τ of a device with this symmetry point; NaN where it has none."""
    reach = NEAR * (float(cell.w_max) - float(cell.w_min))

    def asymmetry(w: float) -> float:
        up, down, _ = _moves(law, w, cell)
        return (down - up) / (up + down) if up + down > 0 else math.nan

    low, high = max(point - reach, float(cell.w_min)), min(point + reach, float(cell.w_max))
    slope = (asymmetry(high) - asymmetry(low)) / (high - low) if high > low else math.nan
    return 1 / slope if slope > 0 else math.nan


def _balance(law: type[Device], cell: Any) -> Balance:
    """Find where mean steps up and down cancel, whose mean is over the noise of a pulse."""

    def drift(w: float) -> float:
        up, down, _ = _moves(law, w, cell)
        return 0.0 if abs(up - down) <= EQUAL * (abs(up) + abs(down)) else up - down

    return find_balance(drift, cell.w_min, cell.w_max)
