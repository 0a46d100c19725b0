"""A step that depends linearly on the state, with noise that does not."""

from __future__ import annotations

from typing import Any, final

from mho.devices.step_device import SlopedDevice


@final
class LinearStepAdditive(SlopedDevice):
    """The step of `LinearStep` with noise that is added, of one size in every state and in both directions.

    Up:   w + a·max(1 - gamma_up·w/w_max, 0) + Δ·c2c·z;
    down: w - b·max(1 - gamma_down·w/w_min, 0) - Δ·c2c·z;
    a, b, `gamma_up` and `gamma_down` as for `LinearStep`, Δ = `dw_min`. So `c2c` is the standard deviation of one pulse
    in units of the mean step at w = 0. Units are normalised weights; w_min < 0 < w_max.

    Symmetry point: closed form, if within the bounds.

    Source: the noise of a write in NeuroSim (P.-Y. Chen, X. Peng, S. Yu, IEDM 2017, 6.1; IEEE Trans. Comput.-Aided Des.
    37:3067, 2018), a share of the range; and of aihwkit's linear step with mult_noise = False (M. J. Rasch et al.,
    AICAS 2021, arXiv 2104.02184), there a·c2c up and b·c2c down. Defaults: those of `LinearStep`.
    """

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = down_step * cell.up_down if up else down_step
        slope = cell.gamma_up / cell.w_max if up else cell.gamma_down / cell.w_min
        step = step * max(1 - slope * w, 0) + cell.dw_min * cell.c2c * z
        return w + step if up else w - step
