"""Steps drawn from measured distributions."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np

from mho.devices.base import Device
from mho.devices.per_cell import per_cell
from mho.devices.rules import check_range, check_values
from mho.devices.table import Table, table
from mho.errors import Faults

SIDES = ("up", "down")
_STATES = np.linspace(-0.6, 0.6, 13)
_POINTS = np.linspace(0.0, 1.0, 9)
_SPREAD = np.array([-2.2, -1.1, -0.6, -0.3, 0.0, 0.3, 0.6, 1.1, 2.2])
"""Quantiles, at these points, of a bell-shaped step of standard deviation 1."""
_JUMPS = 0.01 * (1 - _STATES[:, None] / 0.6) * (1 + 0.3 * _SPREAD[None, :])


@final
class JumpTable(Device):
    """A step drawn from a distribution that was measured at the state of the device, on one device or several.

    A pulse at weight w draws a uniform u = Φ(z) and moves w by the jump at u in the row of the state nearest to w,
    linear between the points of the cumulative distribution.

    All in normalised weights: `mho.measurements` makes such tables of conductances.

    Attributes:
        up: jumps of up pulses, (S, Q) or, of D measured devices, (D, S, Q), at S states and Q points.
        up_states: S weights, ascending, at which up pulses were measured.
        up_points: Q points of the cumulative distribution of up jumps, ascending from 0 to 1.
        down: jumps of down pulses, in the form of `up`, mostly negative.
        down_states: weights, ascending, at which down pulses were measured.
        down_points: points of the cumulative distribution of down jumps, ascending from 0 to 1.
        sample: which of the D measured devices a cell is: that of number ⌊`sample`·D⌋; from 0 to 1.
        w_max: largest weight.
        w_min: smallest weight, below w_max.

    Source: the lookup tables of CrossSim (Sandia National Laboratories), which are made of measured pulses. The default
    tables, soft bounds with noisy steps of about 0.01, are ours.
    """

    up: Table = table(_JUMPS)
    up_states: Table = table(_STATES)
    up_points: Table = table(_POINTS)
    down: Table = table(-_JUMPS[::-1])
    down_states: Table = table(_STATES)
    down_points: Table = table(_POINTS)
    sample: float = per_cell(0.5, std=0.288675, distribution="uniform")
    w_max: float = 0.6
    w_min: float = -0.6

    def _more_faults(self, faults: Faults) -> None:
        check_range(self, faults)
        check_values(self, faults, "sample", low=0.0, high=1.0)
        for side in SIDES:
            jumps, states, points = (self.tables()[name].values for name in (side, f"{side}_states", f"{side}_points"))
            if jumps.ndim < 2:
                faults.add(
                    f"{side} has shape {jumps.shape}; give rows of jumps, one row per state, or such rows per device"
                )
            elif jumps.ndim == 2:
                object.__setattr__(self, side, Table(jumps[None]))
            if states.ndim != 1 or len(states) < 2 or (np.diff(states) <= 0).any():
                faults.add(f"{side}_states must be a row of at least 2 ascending weights")
            if points.ndim != 1 or len(points) < 2 or (np.diff(points) <= 0).any() or points[0] < 0 or points[-1] > 1:
                faults.add(f"{side}_points must be a row of at least 2 ascending numbers from 0 to 1")
            if jumps.ndim > 1 and jumps.shape[-2:] != (states.size, points.size):
                faults.add(
                    f"{side} has {jumps.shape[-2]} rows of {jumps.shape[-1]} jumps, for {states.size} states and "
                    f"{points.size} points; give one row per state, and one jump per point"
                )
            if any(self.tables()[name].spread for name in (side, f"{side}_states", f"{side}_points")):
                faults.add(f"{side}: tables of measured devices have no spread; give several devices, (D, S, Q)")

    def mean_step(self) -> float:
        """Return the mean size of a jump at the middle state, over both directions and all devices."""
        sizes = []
        for side in SIDES:
            jumps, states, points = (self.tables()[name].values for name in (side, f"{side}_states", f"{side}_points"))
            middle = int(np.abs(states - (states[0] + states[-1]) / 2).argmin())
            row = jumps[:, middle].astype(np.float64)
            means = ((row[:, 1:] + row[:, :-1]) / 2 * np.diff(points)).sum(axis=1) / (points[-1] - points[0])
            sizes.append(abs(float(means.mean())))
        return sum(sizes) / 2

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        jumps = cell.up if up else cell.down
        states = cell.up_states if up else cell.down_states
        points = cell.up_points if up else cell.down_points
        device = min(int(cell.sample * len(jumps)), int(len(jumps) - 1))
        low, high = 0, int(len(states) - 1)
        while low < high:
            middle = int((low + high) // 2)
            if w > 0.5 * (states[middle] + states[middle + 1]):
                low = int(middle + 1)
            else:
                high = middle
        u = 0.5 * math.erfc(-0.7071067811865476 * z)
        left, right = 0, int(len(points) - 2)
        while left < right:
            middle = int((left + right) // 2)
            if u > points[middle + 1]:
                left = int(middle + 1)
            else:
                right = middle
        part = min(max((u - points[left]) / (points[left + 1] - points[left]), 0), 1)
        return w + jumps[device, low, left] * (1 - part) + jumps[device, low, left + 1] * part
