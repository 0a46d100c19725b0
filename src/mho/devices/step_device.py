"""The fields of laws that move the weight by a step."""

from __future__ import annotations

from mho.devices.base import Device
from mho.devices.per_cell import per_cell


class StepDevice(Device, shared=True):
    """A law that moves the weight by a step: its size, its noise, and the bounds of the weight.

    Attributes:
        dw_min: Δ, the nominal size of a step, above 0, in normalised weights.
        c2c: cycle-to-cycle noise, at least 0: every pulse multiplies its step by 1 + c2c·z.
        w_max: largest weight.
        w_min: smallest weight, below w_max.

    Defaults: T. Gokmen, M. Onen, W. Haensch, Front. Neurosci. 11:538 (2017), Table 1.
    """

    dw_min: float = per_cell(0.001, spread=0.30)
    c2c: float = 0.30
    w_max: float = per_cell(0.6, spread=0.30)
    w_min: float = per_cell(-0.6, spread=0.30)


class UpDownDevice(StepDevice, shared=True):
    """A law whose up and down steps have a ratio of their own.

    Attributes:
        up_down: r, the ratio of an up and a down step, above 0: up steps are Δ·2r/(1 + r), down steps Δ·2/(1 + r), so
            that Δ is their mean.
    """

    up_down: float = per_cell(1.0, spread=0.02)
