"""Drift of weights in one direction."""

from __future__ import annotations

from typing import Any, ClassVar, final

from mho.devices.effects.base import Effect
from mho.devices.effects.rates import check_rate
from mho.errors import Faults


@final
class Drift(Effect):
    """Weights change evenly in time, always in one direction: after a time t, by drift·t.

    Attributes:
        drift: change per optimizer step, of either sign, in normalised weights.

    Source: ours, the linear form; phase-change memory drifts as a power of time, which a law's `rest` may have.
    """

    flat: ClassVar[bool] = True
    drift: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        check_rate(self, faults, "drift")

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        return 0, 0

    @staticmethod
    def aged(w: float, cell: Any, dt: float, z: float) -> float:
        return w + cell.drift * dt
