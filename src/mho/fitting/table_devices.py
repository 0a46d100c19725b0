"""Devices of steps as measured, without a law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mho.devices import Conductance, Device, JumpTable, PiecewiseStep, table
from mho.fitting.tables import jump_table_from, piecewise_from
from mho.fitting.weights import ReadingNoise, WeightTrace, scale_of, weight_trace
from mho.measurements.record import Measurement
from mho.measurements.units import conductance as conductance_of


def tables_as_read(measurement: Measurement, *, w_max: float = 0.6) -> tuple[Device, ...]:
    """Return the devices of `table_devices` with the noise that the readings show by themselves, without fits.

    Args:
        measurement: pulses.
        w_max: the measured range becomes ±w_max.
    """
    scale = scale_of(measurement, w_max)
    traces = [weight_trace(trace, scale) for trace in measurement.traces]
    noise = float(np.mean([trace.noise if trace.noisy else 0.0 for trace in traces]))
    return table_devices(traces, ReadingNoise(noise), conductance_of(scale.zero, scale.unit, measurement.unit))


def table_devices(
    traces: Sequence[WeightTrace], noise: ReadingNoise, conductance: Conductance | None = None
) -> tuple[Device, ...]:
    """Return the devices that binned steps make, of all devices together; none if a direction was not measured.

    `JumpTable` draws the steps as they were measured, without what noise of readings adds to them; `PiecewiseStep` has
    their means, with one c2c, and the noise of single readings as write noise.

    Args:
        traces: one per device.
        noise: of readings.
        conductance: map from weights to conductances.
    """
    if not all(any((np.sign(trace.pulses) == sign).any() for trace in traces) for sign in (1, -1)):
        return ()
    jumps, pieces = jump_table_from(traces, noise=noise), piecewise_from(traces, noise=noise)
    drawn = JumpTable(
        up=table(jumps.up),
        up_states=table(jumps.up_states),
        up_points=table(jumps.up_points),
        down=table(jumps.down),
        down_states=table(jumps.down_states),
        down_points=table(jumps.down_points),
        w_max=jumps.w_max,
        w_min=jumps.w_min,
        conductance=conductance,
    )
    means = PiecewiseStep(
        dw_min=pieces.dw_min,
        up=table(pieces.up),
        down=table(pieces.down),
        c2c=pieces.c2c,
        w_max=pieces.w_max,
        w_min=pieces.w_min,
        write_noise=pieces.noise,
        conductance=conductance,
    )
    return drawn, means
