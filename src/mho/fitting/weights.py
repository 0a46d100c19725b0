"""Readings in weights: the map from conductance, and what the readings themselves show of noise and bounds."""

from __future__ import annotations

import dataclasses
import math
from typing import final

import numpy as np
import numpy.typing as npt

from mho.measurements.record import Floats, Measurement, Trace

WINDOW = 21
"""Readings over which a local mean is taken."""
NOISY = 0.5
"""Read noise over the scatter of steps from which states are taken from lines through readings, for tables and figures.
Read noise alone makes 0.7 of that scatter."""
EXACT = 0.05
"""Read noise over the scatter of steps below which readings are taken as they are."""
AROUND = 2
"""Readings to either side that a single reading is compared with."""
MANY = 7
"""Significant digits of readings from which two that are equal are no chance."""
OUTLIER = 6.0
"""Robust standard deviations from which a reading that differs from those around it is an outlier."""


@final
@dataclasses.dataclass(frozen=True)
class Scale:
    """Map from conductance to weight: w = (g - zero) / unit.

    Attributes:
        zero: what is w = 0, in the units of the file.
        unit: what is one unit of weight.
    """

    zero: float
    unit: float

    def equation(self, digits: int) -> str:
        """Return the map as a formula, with numbers of so many significant digits."""
        sign = "-" if self.zero >= 0 else "+"
        return f"w = (g {sign} {abs(self.zero):.{digits}g}) / {self.unit:.{digits}g}"

    def weights(self, readings: Floats) -> Floats:
        """Return the weights of readings (n,), w = (g - zero) / unit; readings in the unit of the file."""
        return (readings - self.zero) / self.unit

    def readings(self, weights: Floats) -> Floats:
        """Return the readings of weights (n,), g = w·unit + zero, in the unit of the file."""
        return weights * self.unit + self.zero


@final
@dataclasses.dataclass(frozen=True)
class ReadingNoise:
    """Noise of readings, in weights.

    Attributes:
        single: standard deviation of what each reading draws anew.
        slow: standard deviation of noise that lasts over readings; 0: there is none.
        lasts: pulses after which 1/e of it is left.
    """

    single: float
    slow: float = 0.0
    lasts: float = 1.0

    @property
    def kept(self) -> float:
        """Part of the slow noise that is left after a pulse."""
        return math.exp(-1 / self.lasts) if self.slow else 0.0

    def of_step(self, pulses: Floats) -> Floats:
        """Variance that the noise gives to a step, the difference of two readings over the pulses between them."""
        return 2 * (self.single**2 + self.slow**2 * (1 - self.kept**pulses)) / pulses**2


@final
@dataclasses.dataclass(frozen=True, eq=False)
class WeightTrace:
    """One device's readings in weights, as a fit sees them.

    Attributes:
        device: its name.
        readings: (K,).
        pulses: (K - 1,) as a `Trace` has them.
        resolution: the smallest difference of two readings.
        range: (lowest, highest) state that was measured: of lines through neighbouring readings, without outliers.
        scatter: robust standard deviation of a step about those around it.
        noise: standard deviation of the noise of readings, as the correlation of neighbouring steps has it; 0 or more.
        plateaus: (w_min, w_max) where readings repeat exactly at a bound; None for a bound without such a plateau.
    """

    device: str
    readings: Floats
    pulses: npt.NDArray[np.int64]
    resolution: float
    range: tuple[float, float]
    scatter: float
    noise: float
    plateaus: tuple[float | None, float | None]

    @property
    def steps(self) -> Floats:
        """Change a pulse, positive where it goes the way of the pulses, (K - 1,); NaN after 0 pulses."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.pulses != 0, np.diff(self.readings) / self.pulses, np.nan)

    @property
    def noisy(self) -> bool:
        """True if noise of readings hides the state before a single step; for tables and figures, not for fits."""
        return self.noise > NOISY * self.scatter

    @property
    def states(self) -> Floats:
        """Return the state before each step, (K - 1,): the reading, or the line through its neighbours if noisy."""
        if not self.noisy:
            return self.readings[:-1]
        return smoothed(self.readings, ramps(self.pulses))[:-1]


def scale_of(measurement: Measurement, w_max: float) -> Scale:
    """Return the map that takes the range that was measured, of all devices together, to ±w_max."""
    found = [measured_range(t.values, t.pulses.astype(np.int64)) for t in measurement.traces]
    low, high = min(low for low, _ in found), max(high for _, high in found)
    return Scale(zero=float(low + high) / 2, unit=float(high - low) / (2 * w_max))


def measured_range(readings: Floats, pulses: npt.NDArray[np.int64]) -> tuple[float, float]:
    """(Lowest, highest) state that was measured: readings without outliers, and without half of what is noise.

    An outlier differs from the median of the readings around it by `OUTLIER` robust standard deviations of such
    differences and by a tenth of the range; the two readings at either end of a ramp, where pulses may move a device
    as far, are none. Of the others, the range is that of straight lines through five neighbours of a ramp, which leave
    a smooth staircase as it is, or of the readings where they have no noise.
    """
    group = ramps(pulses)
    turns = np.flatnonzero(np.diff(group)) + 1
    ends = np.concatenate([[0], turns, [len(readings) - 1]])
    inside = np.abs(np.arange(len(readings))[:, None] - ends).min(axis=1) >= AROUND
    near = [float(np.median(readings[max(0, k - AROUND) : k + AROUND + 1])) for k in range(len(readings))]
    apart = np.abs(readings - np.array(near))
    limit = max(OUTLIER * 1.483 * float(np.median(apart)), 0.1 * float(np.ptp(readings)))
    kept = (apart <= limit) | ~inside
    scatter, noise = _scatter(readings, pulses)
    line = smoothed(readings[kept], group[kept], AROUND) if noise > EXACT * scatter else readings[kept]
    low, high = float(line.min()), float(line.max())
    return (low, high) if high > low else (float(readings.min()), float(readings.max()))


def weight_trace(trace: Trace, scale: Scale) -> WeightTrace:
    """Return a trace in weights."""
    readings, pulses = scale.weights(trace.values), trace.pulses.astype(np.int64)
    apart = np.diff(np.unique(readings))
    # the floor is the rounding of double precision
    resolution = max(float(apart.min()) if len(apart) else 0.0, 1e-12 * float(np.ptp(readings)))
    scatter, noise = _scatter(readings, pulses)
    fine = _digits(trace.values) >= MANY
    low, high = _plateau(-readings, -pulses, fine), _plateau(readings, pulses, fine)
    return WeightTrace(
        device=trace.device,
        readings=readings,
        pulses=pulses,
        resolution=resolution,
        range=measured_range(readings, pulses),
        scatter=scatter,
        noise=noise,
        plateaus=(None if low is None else -low, high),
    )


def ramps(pulses: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(K,) the number of the ramp that each reading belongs to: a gap or a turn starts another."""
    sign = np.sign(pulses)
    before = np.concatenate([[0], sign[:-1]])
    begins = (sign == 0) | ((before != 0) & (sign != before))
    return np.concatenate([[0], np.cumsum(begins)])


def smoothed(values: Floats, groups: npt.NDArray[np.int64], half: int = WINDOW // 2) -> Floats:
    """Straight lines through each value's neighbours of its group, `half` to either side."""
    found = np.empty_like(values)
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


def line_at(readings: Floats, groups: npt.NDArray[np.int64], k: int, half: int) -> tuple[float, float]:
    """Return the straight line through a value's neighbours of its group at its place, and the factor of its variance.

    Args:
        readings: (K,).
        groups: (K,) the ramp of each.
        k: the place.
        half: neighbours to either side.

    Returns:
        The value, and the variance of it over that of a reading.
    """
    first, last = max(0, k - half), min(len(readings), k + half + 1)
    near = np.flatnonzero(groups[first:last] == groups[k]) + first
    if k + 1 < len(readings) and len(near) == 1 and groups[k + 1] != groups[k]:
        return float(readings[k]), 1.0
    x = near - near.mean()
    spread = float((x * x).sum())
    slope = float((x * readings[near]).sum()) / spread if spread > 0 else 0.0
    away = k - near.mean()
    return float(readings[near].mean() + slope * away), 1 / len(near) + (away * away / spread if spread > 0 else 0.0)


def _scatter(readings: Floats, pulses: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Robust standard deviation of a step, and that of a reading: one too high makes a step too large, the next small.

    The second is the root of minus the covariance of neighbouring steps, to which a local line over `WINDOW` steps adds
    the variance of a step over `WINDOW`; 0 where that is not positive.
    """
    change, group = np.diff(readings), ramps(pulses)[1:]
    left = change - smoothed(change, group)
    there = pulses != 0
    scatter = 1.483 * float(np.median(np.abs(left[there]))) or float(np.std(left[there]))
    pair = (group[1:] == group[:-1]) & there[1:] & there[:-1]
    if not pair.any():
        return scatter, 0.0
    together, alone = float((left[1:] * left[:-1])[pair].mean()), float(np.mean(left[there] ** 2))
    return scatter, float(np.sqrt(max(-together - alone / WINDOW, 0.0)))


def _digits(values: Floats) -> int:
    """Return the significant digits that most readings have, at most 13."""
    texts = [f"{value:.12e}".partition("e")[0].lstrip("-").replace(".", "").rstrip("0") for value in values.tolist()]
    return int(np.median([len(text) for text in texts]))


def _plateau(readings: Floats, pulses: npt.NDArray[np.int64], fine: bool) -> float | None:
    """Return the highest reading if up pulses at it leave it where it is, so often that this is no chance.

    Twice, where readings have few digits or others repeat too; once, or in two ramps, where readings are `fine` and
    none repeats but the lowest.
    """
    top, bottom = readings.max(), readings.min()
    moved = np.concatenate([[True], pulses != 0])  # a state that is read again may read the same
    between = readings[moved & (readings != top) & (readings != bottom)]
    if fine and len(np.unique(between)) == len(between):
        came = np.concatenate([[True], pulses > 0])
        return float(top) if int(((readings == top) & came).sum()) >= 2 else None
    still = (readings[1:] == top) & (readings[:-1] == top) & (pulses > 0)
    return float(top) if still.sum() >= 2 else None
