"""Relaxation of weights towards a level."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

from mho.devices.effects.base import Effect
from mho.devices.effects.rates import check_rate
from mho.devices.fields import as_per_cell, is_on
from mho.errors import Faults


@final
class Decay(Effect):
    """Weights relax exponentially: after a time t, w - decay_to has shrunk by the factor exp(-decay·t).

    Attributes:
        decay: rate, at least 0, per optimizer step.
        decay_to: the weight to which devices decay, in normalised weights.

    Source: the decay of aihwkit's devices (M. J. Rasch et al., AICAS 2021, arXiv 2104.02184).
    """

    flat: ClassVar[bool] = True
    decay: float = 0.0
    decay_to: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        faults.number("decay", as_per_cell(self.decay).mean, low=0.0)
        check_rate(self, faults, "decay")
        if is_on(as_per_cell(self.decay_to)) and not is_on(as_per_cell(self.decay)):
            faults.add("decay_to has no effect without decay; give decay, or leave decay_to out")

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        return 0, 0

    @staticmethod
    def aged(w: float, cell: Any, dt: float, z: float) -> float:
        return cell.decay_to + (w - cell.decay_to) * math.exp(-cell.decay * dt)
