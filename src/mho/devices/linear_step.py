"""A step that depends linearly on the state, with a slope for each direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from mho.devices.per_cell import per_cell
from mho.devices.rules import check_steps, check_values, check_zero_inside, signs_refused
from mho.devices.step_device import UpDownDevice
from mho.errors import Faults


@final
class LinearStep(UpDownDevice):
    """A step that shrinks linearly towards each bound, by a part of it: between `ConstantStep` and `SoftBounds`.

    Up:   w + a·max(1 - gamma_up·w/w_max, 0)·(1 + c2c·z);
    down: w - b·max(1 - gamma_down·w/w_min, 0)·(1 + c2c·z);
    a and b as for `SoftBounds`, so that `dw_min` is their mean, the step at w = 0. `gamma_up` and `gamma_down`, from 0
    to 1, are the parts by which a step has shrunk at its bound: 0 is `ConstantStep`, 1 is `SoftBounds`. A cell that
    draws more than 1 stops before its bound. Units are normalised weights; w_min < 0 < w_max.

    Symmetry point: closed form, if within the bounds.

    Source: the linear step of aihwkit, the later simulator of Gokmen 2017's authors (M. J. Rasch et al., "A flexible
    and fast PyTorch toolkit for simulating training and inference on analog crossbar arrays", AICAS 2021, arXiv
    2104.02184), with its noise multiplying the step. The slopes' defaults are ours, the others `ConstantStep`'s.
    """

    gamma_up: float = per_cell(0.5, spread=0.10)
    gamma_down: float = per_cell(0.5, spread=0.10)

    def _more_faults(self, faults: Faults) -> None:
        check_steps(self, faults)
        check_values(self, faults, "gamma_up", "gamma_down", low=0.0, high=1.0)
        check_zero_inside(self, faults)

    def cells_refused(self, cells: Mapping[str, Any]) -> str | None:
        return signs_refused(self, cells)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else -down_step) * (1 + cell.c2c * z)
        slope = cell.gamma_up / cell.w_max if up else cell.gamma_down / cell.w_min
        return w + step * max(1 - slope * w, 0)

    @staticmethod
    def symmetry(cell: Any) -> Any:
        up, down = cell.up_down * cell.gamma_up / cell.w_max, cell.gamma_down / cell.w_min
        with np.errstate(divide="ignore", invalid="ignore"):
            w = (cell.up_down - 1) / (up - down)
            # where max() holds a step at 0, or beyond a bound, the lines meet and the steps do not
            inside = (w >= cell.w_min) & (w <= cell.w_max)
            inside &= (cell.gamma_up * w < cell.w_max) & (cell.gamma_down * w > cell.w_min)
        return np.where(inside, w, np.nan)
