"""Rules that the fields of several laws share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mho.devices.base import Device
from mho.errors import Faults


def check_steps(device: Device, faults: Faults, *, up_down: bool = True) -> None:
    """Note faults of `dw_min`, `up_down` if the law has it, and `c2c`."""
    check_values(device, faults, "dw_min", *(["up_down"] if up_down else []), above=0.0)
    check_values(device, faults, "c2c", low=0.0)


def check_values(
    device: Device,
    faults: Faults,
    *names: str,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Note a fault for each of these fields whose mean is out of range."""
    for name in names:
        mean = device.parameters()[name].mean
        faults.number(name, mean, low=low, high=high, above=above, below=below)


def check_range(device: Device, faults: Faults) -> None:
    """Note infinite bounds, for laws whose steps are given by the place in the range."""
    for name in ("w_max", "w_min"):
        mean = device.parameters()[name].mean
        if math.isinf(mean):
            faults.add(f"{name} is {mean!r}; give a finite number, or take ConstantStep, whose steps need no bound")


def check_zero_inside(device: Device, faults: Faults) -> None:
    """Note faults of the bounds of a law that divides by each of them: finite, and w_min < 0 < w_max."""
    check_range(device, faults)
    low, high = (device.parameters()[name].mean for name in ("w_min", "w_max"))
    if not low < 0 < high:
        faults.add(
            f"w_min is {low:g} and w_max is {high:g}: the steps of {type(device).__name__} are given for "
            "w_min < 0 < w_max; shift the weights so that 0 lies between the bounds"
        )


def signs_refused(device: Device, cells: Mapping[str, Any]) -> str | None:
    """Return the fault of devices that have drawn a bound on the wrong side of 0, which `std` allows, or None."""
    wrong = np.stack(np.broadcast_arrays(cells["w_max"] <= 0, cells["w_min"] >= 0))
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong.any(axis=0))[0])
    return (
        f"{int(wrong.sum())} bounds lie on the wrong side of 0, the first in the cell (replica, line, column) = {first}"
        f"; {type(device).__name__} needs w_min < 0 < w_max: give drawn bounds a spread in place of a std, a smaller "
        "std, or distribution = 'lognormal', and measured bounds values on their side"
    )
