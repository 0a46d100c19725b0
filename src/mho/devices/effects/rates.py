"""Rules of what acts with time."""

from __future__ import annotations

from typing import Any

from mho.devices.fields import as_per_cell
from mho.errors import Faults

SMALLEST = 1e-6
"""A weight of 0.5 in float32 takes a step of 1e-6 with an error of 3 %."""


def check_rate(effect: Any, faults: Faults, name: str) -> None:
    """Note a fault if a change an update is so small that float32 loses it."""
    mean = as_per_cell(getattr(effect, name)).mean
    if isinstance(mean, float) and 0 < abs(mean) < SMALLEST:
        faults.add(
            f"{name} is {mean:g}: less than {SMALLEST:g} per update is lost in float32; give more, or leave it "
            "out and let the time of many updates pass at once: a device with a larger value, and array.rest(dt)"
        )
