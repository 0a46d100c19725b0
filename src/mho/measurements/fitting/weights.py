"""Readings in weights: the map from conductance, and what the readings themselves show of noise and bounds."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import numpy.typing as npt

from mho.measurements.record import Floats, Measurement, Trace

WINDOW = 21
"""Readings over which a local mean is taken."""
NOISY = -0.15
"""Correlation of neighbouring steps below which read noise is fitted. A local mean over 21 steps alone gives -0.05, and
read noise -1/(2 + v), v the variance of a step over that of a reading."""


@final
@dataclasses.dataclass(frozen=True)
class Scale:
    """How conductance becomes weight: w = (g - zero) / unit.

    Attributes:
        zero: what is w = 0, in the units of the file.
        unit: what is one unit of weight.
    """

    zero: float
    unit: float

    def weights(self, readings: Floats) -> Floats:
        return (readings - self.zero) / self.unit

    def readings(self, weights: Floats) -> Floats:
        return weights * self.unit + self.zero


@final
@dataclasses.dataclass(frozen=True, eq=False)
class WeightTrace:
    """One device's readings in weights, as a fit sees them.

    Attributes:
        device: its name.
        readings: (K,).
        pulses: (K - 1,) as a `Trace` has them.
        resolution: the smallest difference of two readings.
        noisy: whether neighbouring steps show that readings have noise of their own.
        noise: standard deviation of that noise, as these steps show it; 0 if they do not.
        plateaus: (w_min, w_max) where readings repeat exactly at a bound; None for a bound without such a plateau.
    """

    device: str
    readings: Floats
    pulses: npt.NDArray[np.int64]
    resolution: float
    noisy: bool
    noise: float
    plateaus: tuple[float | None, float | None]

    @property
    def steps(self) -> Floats:
        """Change a pulse, positive where it goes the way of the pulses, (K - 1,); NaN after 0 pulses."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.pulses != 0, np.diff(self.readings) / self.pulses, np.nan)

    @property
    def states(self) -> Floats:
        """Where each step began, (K - 1,): the reading, or the line through those around it if readings are noisy."""
        if not self.noisy:
            return self.readings[:-1]
        return smoothed(self.readings, ramps(self.pulses))[:-1]


def scale_of(measurement: Measurement, w_max: float) -> Scale:
    """The map that takes the range of all readings to ±w_max."""
    low, high = (end(end(t.values) for t in measurement.traces) for end in (min, max))
    return Scale(zero=float(low + high) / 2, unit=float(high - low) / (2 * w_max))


def weight_trace(trace: Trace, scale: Scale) -> WeightTrace:
    """A trace in weights."""
    readings, pulses = scale.weights(trace.values), trace.pulses.astype(np.int64)
    apart = np.diff(np.unique(readings))
    # the floor is the rounding of double precision
    resolution = max(float(apart.min()) if len(apart) else 0.0, 1e-12 * float(np.ptp(readings)))
    noise, noisy = _noise(readings, pulses)
    plateaus = (None, None) if noisy else (_plateau(-readings, -pulses), _plateau(readings, pulses))
    low, high = plateaus
    return WeightTrace(trace.device, readings, pulses, resolution, noisy, noise, (None if low is None else -low, high))


def ramps(pulses: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(K,) the number of the ramp that each reading belongs to: a gap or a turn starts another."""
    sign = np.sign(pulses)
    before = np.concatenate([[0], sign[:-1]])
    begins = (sign == 0) | ((before != 0) & (sign != before))
    return np.concatenate([[0], np.cumsum(begins)])


def smoothed(values: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """Straight lines through each value's neighbours of its group."""
    found = np.empty_like(values)
    half = WINDOW // 2
    for group in np.unique(groups):
        places = np.flatnonzero(groups == group)
        for k in places:
            near = places[max(0, k - half - places[0]) : k + half + 1 - places[0]]
            x, y = near - k, values[near]
            centre = x.mean()
            spread = ((x - centre) ** 2).sum()
            slope = ((x - centre) * y).sum() / spread if spread > 0 else 0.0
            found[k] = y.mean() - slope * centre
    return found


def _noise(readings: Floats, pulses: npt.NDArray[np.int64]) -> tuple[float, bool]:
    """Read noise from neighbouring steps: a reading too high makes one step too large and the next too small."""
    change, group = np.diff(readings), ramps(pulses)[1:]
    left = change - smoothed(change, group)
    pair = (group[1:] == group[:-1]) & (pulses[1:] != 0) & (pulses[:-1] != 0)
    if pair.sum() < WINDOW:
        return 0.0, False
    product = (left[1:] * left[:-1])[pair]
    together, alone = product.mean(), np.mean((left[1:] ** 2 + left[:-1] ** 2)[pair]) / 2
    if alone == 0:
        return 0.0, False
    noisy = together / alone < NOISY and product.sum() < -4 * np.sqrt((product**2).sum())
    return float(np.sqrt(max(-together, 0.0))), bool(noisy)


def _plateau(readings: Floats, pulses: npt.NDArray[np.int64]) -> float | None:
    """The highest reading if up pulses at it twice leave it where it is."""
    top = readings.max()
    still = (readings[1:] == top) & (readings[:-1] == top) & (pulses > 0)
    return float(top) if still.sum() >= 2 else None
