"""A fitted device restated on the range that was measured."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from mho.devices import Device, LinearStep, PerCell, PiecewiseStep, SoftBounds, table
from mho.devices.symmetry import quiet_step

REACHED = 0.1
"""Part of the measured range that a bound may lie beyond it and count as reached: soft bounds are never quite so."""
NODES = 17
"""Of a law that has no closed form on a part of its range."""


def reaches(bounds: tuple[float, float], measured: tuple[float, float]) -> bool:
    """Return True if bounds lie within the measured range, or nearly so."""
    slack = REACHED * (measured[1] - measured[0])
    return bounds[0] >= measured[0] - slack and bounds[1] <= measured[1] + slack


def within(device: Device, ends: tuple[float, float], spread: float | None) -> Device:
    """Return steps and noise between `low` and `high`, for a law whose bounds lie beyond and shape its steps.

    Soft bounds become a `LinearStep`, exactly: its slopes at the ends of the range are what they were. Other laws
    become a `PiecewiseStep` of their steps without noise at `NODES` states, with their c2c.

    Args:
        device: as fitted.
        ends: (w_min, w_max), the new bounds.
        spread: relative spread of the new bounds over devices; None: none.
    """
    low, high = (float(f"{end:.6g}") for end in ends)
    bounds: dict[str, Any] = {"w_min": low, "w_max": high}
    if spread:
        bounds = {name: PerCell(value, spread=float(f"{spread:.3g}")) for name, value in bounds.items()}
    kept = {name: getattr(device, name) for name in ("c2c", "write_noise") if hasattr(device, name)}
    return RESTATED.get(type(device), _pieces)(device, low, high, kept | bounds)


def _linear(device: Any, low: float, high: float, more: dict[str, Any]) -> Device:
    nominal = device.parameters()
    slopes = {"gamma_up": high / nominal["w_max"].mean, "gamma_down": low / nominal["w_min"].mean}
    rounded: dict[str, Any] = {name: float(f"{value:.6g}") for name, value in slopes.items()}
    return LinearStep(dw_min=device.dw_min, up_down=device.up_down, **rounded, **more)


def _pieces(device: Any, low: float, high: float, more: dict[str, Any]) -> Device:
    cell = types.SimpleNamespace(**{name: parameter.mean for name, parameter in device.parameters().items()})
    places = np.linspace(low, high, NODES)
    step = {up: np.array([abs(quiet_step(device, float(w), up, cell)) for w in places]) for up in (True, False)}
    mean = float(step[True][NODES // 2] + step[False][NODES // 2]) / 2
    nodes = {word: table([float(f"{s / mean:.6g}") for s in step[word == "up"]]) for word in ("up", "down")}
    return PiecewiseStep(dw_min=float(f"{mean:.6g}"), **nodes, **more)


RESTATED: dict[type[Device], Callable[[Any, float, float, dict[str, Any]], Device]] = {SoftBounds: _linear}
"""Laws with a closed form on a part of their range."""
