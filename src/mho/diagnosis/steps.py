"""What some devices of an array do at a pulse, asked of their law: mean steps, and where they are drawn to."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from mho.arrays import Array
from mho.cells import OneSided
from mho.devices import Device
from mho.devices.symmetry import cell_record
from mho.kernels.reference.cell import ask

Doubles = npt.NDArray[np.float64]
NODES = ((0.0, 2 / 3), (math.sqrt(3), 1 / 6), (-math.sqrt(3), 1 / 6))
"""z and weights of Gauss-Hermite quadrature: exact for means of polynomials up to the fifth degree in z."""
DEVICES = 256
"""Devices of an array that are asked, evenly spread: a share of them is known to 3 % (1/(2√256))."""
HALVINGS = 16
EQUAL = 1e-6
"""Steps up and down that differ by less, relatively, are equal: it is what rounding makes of equal steps."""


@final
class Steps:
    """Devices of one replica of an array at their present states; the law runs interpreted.

    Attributes:
        states: of the pulsed devices, (D,).
        zeros: where each is when its weight is 0, (D,): its reference, or 0.
        up, down: mean steps up and down, (D,), at least 0 for an ordinary law; NaN where the law is undefined.
        square: mean square of a step, up and down alike, (D,).
    """

    def __init__(self, array: Array, replica: int, law: type[Device]) -> None:
        devices = array.device_weights[replica]
        pulsed = devices[: array.pulsed]
        zeros = devices[1:].flatten() if array.referenced else torch.zeros(pulsed.numel())
        states = pulsed.flatten().numpy()
        chosen = np.unique(np.linspace(0, states.size - 1, min(DEVICES, states.size)).astype(int))
        fields = {
            name: values[replica, : array.pulsed].flatten(0, 2).numpy()[chosen]
            for name, values in array.cell_parameters().items()
        }
        self.law, self.states, self.zeros = law, states[chosen].astype(np.float64), zeros.double().numpy()[chosen]
        self.only_rises = isinstance(array.rpu.cell, OneSided)
        self.cells = [cell_record(array.rpu.device, fields, place) for place in range(len(chosen))]
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

    def attractors(self) -> Doubles:
        """Where pulses that are up as often as down take each device, (D,).

        The symmetry point, where mean steps up and down are equal; a bound, where one of them is larger over the
        whole range; NaN, where they are equal over the whole range or push away from where they are equal, or where
        devices are pulsed in one direction only.
        """
        return np.array([math.nan if self.only_rises else _attractor(self.law, cell) for cell in self.cells])


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


def _attractor(law: type[Device], cell: Any) -> float:
    def drift(w: float) -> float:
        up, down, _ = _moves(law, w, cell)
        return up - down if abs(up - down) > EQUAL * (abs(up) + abs(down)) else 0.0

    low, high = float(cell.w_min), float(cell.w_max)
    at_low, at_high = drift(low), drift(high)
    if at_low > 0 and at_high > 0:
        return high
    if at_low < 0 and at_high < 0:
        return low
    if not at_low >= 0 >= at_high or at_low == at_high:
        return math.nan
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if drift(middle) > 0 else (low, middle)
    return (low + high) / 2
