"""A step that falls off exponentially towards its bound."""

from __future__ import annotations

import math
from typing import Any, final

from mho.devices.rules import check_range, check_steps, check_values
from mho.devices.step_device import UpDownDevice
from mho.errors import Faults


@final
class ExpStep(UpDownDevice):
    """A step that hardly depends on the state in one half of the range, and falls off exponentially in the other.

    Up:   w + a·max(1 - a_up·exp(gamma_up·u), 0)·(1 + c2c·z);
    down: w - b·max(1 - a_down·exp(-gamma_down·u), 0)·(1 + c2c·z);
    u = (2w - w_max - w_min)/(w_max - w_min), the place in the range: -1 at w_min, 1 at w_max. a = Δ·2r/(1+r),
    b = Δ·2/(1+r), r = `up_down`, Δ = `dw_min`: nearly the step in the middle. Steps end before the bound where
    a_up·exp(gamma_up) > 1. Units are normalised weights.

    Attributes:
        a_up: part, from 0 to below 1, by which an up step in the middle of the range is smaller than a.
        a_down: part, from 0 to below 1, by which a down step in the middle of the range is smaller than b.
        gamma_up: how sharply up steps fall off towards w_max, at least 0.
        gamma_down: how sharply down steps fall off towards w_min, at least 0.

    Source: the analysis of switching of N. Gong et al., "Signal and noise extraction from analog memory elements for
    neuromorphic computing", Nat. Commun. 9:2102 (2018). Equation and the four default shapes are those of aihwkit's
    fit to such a device, A·exp(±γ(2a·w/(w_max - w_min) + b)) with A = 0.00081 up, 0.36833 down, γ = 12.44625 up,
    12.78785 down, a = 0.244, b = 0.2425, in which a and b are taken into A and γ. The other defaults are
    `ConstantStep`'s.
    """

    a_up: float = 0.01657
    a_down: float = 0.01658
    gamma_up: float = 3.037
    gamma_down: float = 3.120

    def _more_faults(self, faults: Faults) -> None:
        check_steps(self, faults)
        check_range(self, faults)
        check_values(self, faults, "a_up", "a_down", low=0.0, below=1.0)
        check_values(self, faults, "gamma_up", "gamma_down", low=0.0)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else -down_step) * (1 + cell.c2c * z)
        place = (2 * w - cell.w_max - cell.w_min) / (cell.w_max - cell.w_min)
        rise = cell.gamma_up * place if up else -cell.gamma_down * place
        return w + step * max(1 - (cell.a_up if up else cell.a_down) * math.exp(rise), 0)
