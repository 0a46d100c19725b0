"""The fields of laws that move the weight by a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mho.devices.base import Device
from mho.devices.per_cell import per_cell
from mho.devices.rules import check_steps, check_values, check_zero_inside, signs_refused
from mho.errors import Faults


class StepDevice(Device, shared=True):
    """A law that moves the weight by a step: its size, its noise, and the bounds of the weight.

    Attributes:
        dw_min: Δ, the nominal size of a step, above 0, in normalised weights.
        c2c: cycle-to-cycle noise, at least 0: every pulse multiplies its step by 1 + c2c·z.
        w_max: largest weight.
        w_min: smallest weight, below w_max.

    Defaults: T. Gokmen, M. Onen, W. Haensch, Front. Neurosci. 11:538 (2017), Table 1.
    """

    dw_min: float = per_cell(0.001, spread=0.30)
    c2c: float = 0.30
    w_max: float = per_cell(0.6, spread=0.30)
    w_min: float = per_cell(-0.6, spread=0.30)


class UpDownDevice(StepDevice, shared=True):
    """A law whose up and down steps have a ratio of their own.

    Attributes:
        up_down: r, the ratio of an up and a down step, above 0: up steps are Δ·2r/(1 + r), down steps Δ·2/(1 + r), so
            that Δ is their mean.
    """

    up_down: float = per_cell(1.0, spread=0.02)


class TwoSidedDevice(UpDownDevice, shared=True):
    """A law that divides by each of its bounds, which lie on both sides of 0: w_min < 0 < w_max."""

    def _more_faults(self, faults: Faults) -> None:
        check_steps(self, faults)
        check_zero_inside(self, faults)

    def cells_refused(self, cells: Mapping[str, Any]) -> str | None:
        return signs_refused(self, cells)


class SlopedDevice(TwoSidedDevice, shared=True):
    """A law whose mean steps are straight lines over the state.

    Attributes:
        gamma_up: part, from 0 to 1, by which an up step has shrunk at w_max.
        gamma_down: part, from 0 to 1, by which a down step has shrunk at w_min.
    """

    gamma_up: float = per_cell(0.5, spread=0.10)
    gamma_down: float = per_cell(0.5, spread=0.10)

    def _more_faults(self, faults: Faults) -> None:
        super()._more_faults(faults)
        check_values(self, faults, "gamma_up", "gamma_down", low=0.0, high=1.0)

    @staticmethod
    def symmetry(cell: Any) -> Any:
        up, down = cell.up_down * cell.gamma_up / cell.w_max, cell.gamma_down / cell.w_min
        with np.errstate(divide="ignore", invalid="ignore"):
            w = (cell.up_down - 1) / (up - down)
            # where max() holds a step at 0, or beyond a bound, the lines meet and the steps do not
            inside = (w >= cell.w_min) & (w <= cell.w_max)
            inside &= (cell.gamma_up * w < cell.w_max) & (cell.gamma_down * w > cell.w_min)
        return np.where(inside, w, np.nan)
