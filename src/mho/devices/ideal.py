"""The device that floating-point training assumes."""

from __future__ import annotations

from typing import Any, ClassVar, final

from mho.devices.base import Device


@final
class Ideal(Device):
    """Ideal device: holds any float32 and adds updates exactly; it takes no pulses (`mho.Exact` updates)."""

    pulse_driven: ClassVar[bool] = False

    def mean_step(self) -> float:
        """Return 0: an ideal device has no smallest step."""
        return 0.0

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        """Never called: an ideal device is updated exactly."""
        return w
