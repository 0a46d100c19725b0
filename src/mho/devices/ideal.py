"""The device that floating-point training assumes."""

from __future__ import annotations

from typing import Any, ClassVar, final

from mho.devices.base import Device


@final
class Ideal(Device):
    """Holds any float32 and adds exactly what it is told; it takes no pulses (`mho.Exact` updates)."""

    pulse_driven: ClassVar[bool] = False

    def mean_step(self) -> float:
        """An ideal device has no smallest step."""
        return 0.0

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        """Never called: an ideal device is updated exactly."""
        return w
