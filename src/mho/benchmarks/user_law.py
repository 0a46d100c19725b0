"""Laws as a user writes them, in ten lines."""

from __future__ import annotations

from typing import Any, final

from mho.devices import Device, per_cell


@final
class PowerLaw(Device):
    """A step that shrinks as a power of the room left: no closed form, so each pulse is one call."""

    dw_min: float = per_cell(1e-3, spread=0.30)
    gamma: float = per_cell(1.5, spread=0.10)
    c2c: float = 0.20
    w_max: float = per_cell(0.6, spread=0.30)
    w_min: float = per_cell(-0.6, spread=0.30)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        room = (cell.w_max - w if up else w - cell.w_min) / (cell.w_max - cell.w_min)
        step = cell.dw_min * room**cell.gamma * (1 + cell.c2c * z)
        return w + step if up else w - step


@final
class OwnSoftBounds(Device):
    """Soft bounds without looking at mho's."""

    dw_min: float = per_cell(1e-3, spread=0.30)
    up_down: float = per_cell(1.0, spread=0.02)
    c2c: float = 0.30
    w_max: float = per_cell(0.6, spread=0.30)
    w_min: float = per_cell(-0.6, spread=0.30)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        noisy = cell.dw_min * (1 + cell.c2c * z)
        if up:
            return w + noisy * 2 * cell.up_down / (1 + cell.up_down) * (1 - w / cell.w_max)
        return w - noisy * 2 / (1 + cell.up_down) * (1 - w / cell.w_min)
