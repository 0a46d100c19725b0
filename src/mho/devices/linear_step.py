"""A step that depends linearly on the state, with a slope for each direction."""

from __future__ import annotations

from typing import Any, final

from mho.devices.step_device import SlopedDevice


@final
class LinearStep(SlopedDevice):
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

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else -down_step) * (1 + cell.c2c * z)
        slope = cell.gamma_up / cell.w_max if up else cell.gamma_down / cell.w_min
        return w + step * max(1 - slope * w, 0)
