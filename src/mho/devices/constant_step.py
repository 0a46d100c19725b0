"""The RPU device of Gokmen, Onen and Haensch 2017."""

from __future__ import annotations

import math
from typing import Any, final

from mho.devices.rules import check_steps
from mho.devices.step_device import UpDownDevice
from mho.errors import Faults


@final
class ConstantStep(UpDownDevice):
    """A step that does not depend on the state: the RPU-baseline device.

    Up:   w + a·(1 + c2c·z);
    down: w - b·(1 + c2c·z);
    a = Δ·2r/(1+r), b = Δ·2/(1+r), r = `up_down`, so that Δ = `dw_min` is their mean. Weights stay within
    [`w_min`, `w_max`]. Units are the paper's normalised weights.

    n pulses of one direction: w ± step·(n + c2c·√n·z), used where no partial sum can reach a bound
    (room > n·step·(1 + 6·c2c)); nearer to a bound, arrays go pulse by pulse, because the clip between two
    pulses keeps what the sum would lose.

    Symmetry point: none; every state if r = 1.

    Source: T. Gokmen, M. Onen, W. Haensch, Front. Neurosci. 11:538 (2017), Table 1.
    """

    def _more_faults(self, faults: Faults) -> None:
        check_steps(self, faults)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else down_step) * (1 + cell.c2c * z)
        return w + step if up else w - step

    @staticmethod
    def reach(n: float, up: bool, cell: Any) -> float:
        """Return how far n pulses of one direction can move a weight, in units of weight: n·step·(1 + 6·c2c).

        Six standard deviations of each pulse are counted. Farther than this from a bound, n pulses are applied at once.

        Args:
            n: number of pulses, at least 1.
            up: True for pulses up.
            cell: record of the fields of one device.
        """
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        return n * (down_step * cell.up_down if up else down_step) * (1 + 6 * cell.c2c)

    @staticmethod
    def pulses(w: float, n: float, up: bool, cell: Any, z: float) -> float:
        """Return the weight after n pulses of one direction, w ± step·(n + c2c·√n·z), where no bound is within `reach`.

        Args:
            w: weight before the pulses, in units of weight.
            n: number of pulses, at least 1.
            up: True for pulses up.
            cell: record of the fields of one device.
            z: drawn from N(0, 1).
        """
        down_step = cell.dw_min * 2 / (1 + cell.up_down)
        step = (down_step * cell.up_down if up else down_step) * (n + cell.c2c * (math.sqrt(n) * z))
        return w + step if up else w - step

    @staticmethod
    def symmetry(cell: Any) -> Any:
        """Return NaN: constant steps have no symmetry point; see `mho.Device.symmetry_point`."""
        return math.nan
