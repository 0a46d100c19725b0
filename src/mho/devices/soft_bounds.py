"""The soft-bounds device of Kim et al. 2019."""

from __future__ import annotations

from typing import Any, final

from mho.devices.step_device import TwoSidedDevice


@final
class SoftBounds(TwoSidedDevice):
    """A step that shrinks linearly to nothing towards each bound.

    Up:   w + a·(1 - w/w_max)·(1 + c2c·z);
    down: w - b·(1 - w/w_min)·(1 + c2c·z);
    a = Δ·2r/(1+r), b = Δ·2/(1+r), r = `up_down`, Δ = `dw_min`: their mean, the step at w = 0. Units are the paper's
    normalised weights; w_min < 0 < w_max. n up pulses without noise: w_max - (w_max - w)·(1 - a/w_max)ⁿ. There is no
    closed form with noise, so arrays go pulse by pulse.

    Symmetry point: (a - b)/(a/w_max - b/w_min).

    Source: H. Kim et al., "Zero-shifting technique for deep neural network training on resistive cross-point arrays",
    arXiv 1907.10228 (2019); the equation as its authors print it in later work. Defaults: those of `ConstantStep`.
    """

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else -down_step) * (1 + cell.c2c * z)
        return w + step * (1 - w / (cell.w_max if up else cell.w_min))

    @staticmethod
    def symmetry(cell: Any) -> Any:
        """Return the symmetry point of devices, (a - b)/(a/w_max - b/w_min), in units of weight.

        Args:
            cell: fields of the devices, numbers or arrays of one shape, which the point has too. a and b are the up
                and the
                down step at w = 0.
        """
        return (cell.up_down - 1) / (cell.up_down / cell.w_max - 1 / cell.w_min)
