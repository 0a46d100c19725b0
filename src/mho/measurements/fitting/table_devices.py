"""Devices of steps as measured, without a law."""

from __future__ import annotations

import numpy as np

from mho.devices import Device, JumpTable, PiecewiseStep, table
from mho.measurements.fitting.tables import jump_table_from, piecewise_from
from mho.measurements.record import Measurement
from mho.measurements.units import conductance


def table_devices(measurement: Measurement, *, w_max: float = 0.6) -> tuple[Device, ...]:
    """The devices that binned steps make, all measured devices together; none where only one direction was measured.

    `JumpTable` draws the steps as they were measured, without what read noise adds to them; `PiecewiseStep` has their
    means, with one c2c, and the read noise as write noise.

    Args:
        measurement: pulses.
        w_max: the range of the readings becomes ±w_max.
    """
    if not all(any((np.sign(trace.pulses) == sign).any() for trace in measurement.traces) for sign in (1, -1)):
        return ()
    jumps, pieces = jump_table_from(measurement, w_max=w_max), piecewise_from(measurement, w_max=w_max)
    drawn = JumpTable(
        up=table(jumps.up),
        up_states=table(jumps.up_states),
        up_points=table(jumps.up_points),
        down=table(jumps.down),
        down_states=table(jumps.down_states),
        down_points=table(jumps.down_points),
        w_max=jumps.w_max,
        w_min=jumps.w_min,
        conductance=conductance(jumps.scale.zero, jumps.scale.unit, measurement.unit),
    )
    means = PiecewiseStep(
        dw_min=pieces.dw_min,
        up=table(pieces.up),
        down=table(pieces.down),
        c2c=pieces.c2c,
        w_max=pieces.w_max,
        w_min=pieces.w_min,
        write_noise=pieces.noise,
        conductance=conductance(pieces.scale.zero, pieces.scale.unit, measurement.unit),
    )
    return drawn, means
