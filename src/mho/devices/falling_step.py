"""A step that falls exponentially over the range, down to a floor."""

from __future__ import annotations

import math
from typing import Any, final

from mho.devices.rules import check_range, check_steps, check_values
from mho.devices.step_device import UpDownDevice
from mho.errors import Faults

STEEPEST = 50.0
"""Largest gamma: with more, steps at the bounds are beyond what float32 holds beside those in the middle."""


@final
class FallingStep(UpDownDevice):
    """A step of which one part falls exponentially on the way to its bound and the other stays: large first pulses.

    Up:   w + a·(1 + fall_up·(exp(-gamma_up·v) - 1))·(1 + c2c·z) + (noise + noise_slope·|w|)·z;
    down: w - b·(1 + fall_down·(exp(gamma_down·v) - 1))·(1 + c2c·z) - (noise + noise_slope·|w|)·z;
    v = 2w/(w_max - w_min); a and b as for `SoftBounds`, so that `dw_min` is their mean, the step at w = 0. Units
    are normalised weights; 0 may be a bound, or lie beyond a bound.

    Attributes:
        fall_up: part of an up step at w = 0, from 0 to 1, that falls over the range; 0 is `ConstantStep`.
        fall_down: part of a down step at w = 0, from 0 to 1, that falls over the range.
        gamma_up: how sharply that part of up steps falls, from 0 to 50.
        gamma_down: how sharply that part of down steps falls, from 0 to 50.
        noise: standard deviation that a pulse adds in every state, at least 0, in normalised weights.
        noise_slope: standard deviation that a pulse adds, per |w|, at least 0.

    Source: the exponential step of aihwkit (M. J. Rasch et al., AICAS 2021, arXiv 2104.02184) where its A are negative,
    as in its fits to a device of HfO₂ and to phase-change memory: Δ·(1 - A·exp(γ·(a·v + b))) has fall = B/(1 + B) with
    B = -A·exp(γb) up, -A·exp(-γb) down, gamma = -aγ, and 1 + B times the Δ. The noise is its dw_min_std·(|Δw| +
    dw_min_std_add + dw_min_std_slope·|w|). The shapes' defaults are ours, the other defaults `ConstantStep`'s.
    """

    fall_up: float = 0.5
    fall_down: float = 0.5
    gamma_up: float = 1.0
    gamma_down: float = 1.0
    noise: float = 0.0
    noise_slope: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        check_steps(self, faults)
        check_range(self, faults)
        check_values(self, faults, "fall_up", "fall_down", low=0.0, high=1.0)
        check_values(self, faults, "gamma_up", "gamma_down", low=0.0, high=STEEPEST)
        check_values(self, faults, "noise", "noise_slope", low=0.0)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        place = 2 * w / (cell.w_max - cell.w_min)
        fall = cell.fall_up if up else cell.fall_down
        rise = -cell.gamma_up * place if up else cell.gamma_down * place
        step = (down_step * cell.up_down if up else down_step) * (1 + fall * (math.exp(rise) - 1)) * (1 + cell.c2c * z)
        step += (cell.noise + cell.noise_slope * abs(w)) * z
        return w + step if up else w - step
