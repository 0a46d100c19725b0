"""Random walk of weights."""

from __future__ import annotations

import math
from typing import Any, ClassVar, final

from mho.devices.effects.base import Effect
from mho.devices.effects.rates import check_rate
from mho.devices.fields import as_per_cell
from mho.errors import Faults


@final
class Diffusion(Effect):
    """Weights walk at random: in a time t, by diffusion·√t·z.

    Attributes:
        diffusion: standard deviation of a step of one update, at least 0, in normalised weights.

    Source: the diffusion of aihwkit's devices (M. J. Rasch et al., AICAS 2021, arXiv 2104.02184).
    """

    flat: ClassVar[bool] = True
    diffusion: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        faults.number("diffusion", as_per_cell(self.diffusion).mean, low=0.0)
        check_rate(self, faults, "diffusion")

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        return 0, 0

    @staticmethod
    def aged(w: float, cell: Any, dt: float, z: float) -> float:
        return w + cell.diffusion * math.sqrt(dt) * z
