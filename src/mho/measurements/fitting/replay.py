"""A fitted device sent the pulses that were measured, and how far its readings are from the measured ones."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Any, final

import numpy as np

from mho.measurements.fitting.weights import ReadingNoise, WeightTrace, ramps, smoothed
from mho.measurements.record import Floats

CELLS, FEW = 64, 16
"""Cells that are simulated for a band that is drawn, and for a distance only, whose mean does not depend on them."""
BAND = (0.05, 0.95)
"""Quantiles of the simulated readings that are drawn."""
NORMAL = np.array([statistics.NormalDist().inv_cdf((k + 0.5) / 15) for k in range(15)])
"""Evenly likely normals that stand for the noise of readings in a band, whose ends single draws would fray."""
NEIGHBOURS = 2
"""Readings to either side from whose straight line a simulation takes the state to begin with."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Replay:
    """Simulated readings of one device beside its measured ones, in weights of `Fitted.scale`.

    Attributes:
        begin: number of the first reading that is simulated.
        low, high: (K - begin,) quantiles 5 and 95 % of the simulated readings.
        middle: (K - begin,) median of the simulated states, which have no noise of readings.
        apart: mean over readings of the continuous ranked probability score (Gneiting, Raftery 2007), in parts of the
            measured range: the mean distance of simulated readings from the measured one, less half of their mean
            distance from each other. For a device without noise it is the mean distance.
        expected: what `apart` would be if the measured device were one more of the simulated ones.
        inside: share of the measured readings within the band from `low` to `high`, nine in ten if the device is right.
    """

    begin: int
    low: Floats
    middle: Floats
    high: Floats
    apart: float
    expected: float
    inside: float


def replay(
    law: Any,
    cell: Any,
    noise: ReadingNoise,
    trace: WeightTrace,
    *,
    bounds: tuple[float, float] | None = None,
    begin: int = 0,
    cells: int = CELLS,
    seed: int = 0,
) -> Replay:
    """Send cells the pulses of a measurement, and hold their readings against the measured ones.

    Cells begin where a straight line through the first readings lies, as far as their noise lets it be known, and again
    after each gap. They then follow the law, with noise of their own, and are not brought back to the readings: errors
    of single steps add up as they do in training. The law runs interpreted, a pulse and a cell at a time.

    Args:
        law: a law or a device with `pulse(w, up, cell, z)` of one normal z.
        cell: its fields, `w_max` and `w_min` among them.
        noise: of readings.
        trace: what was measured.
        bounds: (lowest, highest) weight, if the device ends before the bounds of its cell do; None: those of the cell.
        begin: number of the reading to begin with.
        cells: how many are simulated, at least 2.
        seed: of the noise.
    """
    low_end, high_end = (cell.w_min, cell.w_max) if bounds is None else bounds
    ends = (max(float(low_end), float(cell.w_min)), min(float(high_end), float(cell.w_max)))
    states, seen = _simulated(law, cell, noise, trace, begin, ends, np.random.default_rng(seed), cells)
    measured = trace.readings[begin:]
    whole = math.hypot(noise.single, noise.slow)
    low, high = np.quantile((states[:, :, None] + whole * NORMAL).reshape(len(states), -1), BAND, axis=1)
    span = trace.range[1] - trace.range[0]
    distance = np.abs(seen - measured[:, None]).mean(axis=1)
    half = _half_distance(seen)
    return Replay(
        begin=begin,
        low=low,
        middle=np.median(states, axis=1),
        high=high,
        apart=float((distance - half).mean()) / span,
        expected=float(half.mean()) / span,
        inside=float(((measured >= low) & (measured <= high)).mean()),
    )


def held_out_from(trace: WeightTrace) -> int | None:
    """The reading at which the last cycle of ramps begins, up and down or the last of one direction.

    Returns:
        Its number; None where no whole cycle is left for a fit.
    """
    group = ramps(trace.pulses)
    starts = [int(start) for start in np.unique(group, return_index=True)[1]]
    if len(starts) > 1 and starts[1] == 1:  # a gap after the first reading makes it a ramp of its own
        starts = starts[1:]
    both = {int(sign) for sign in np.sign(trace.pulses)} >= {1, -1}
    cycle = 2 if both else 1
    if len(starts) < 2 * cycle:
        return None
    first = starts[-cycle]
    return first if trace.pulses[first - 1] == 0 else first - 1


def _simulated(
    law: Any,
    cell: Any,
    noise: ReadingNoise,
    trace: WeightTrace,
    begin: int,
    ends: tuple[float, float],
    draw: np.random.Generator,
    cells: int,
) -> tuple[Floats, Floats]:
    """Simulated states and readings, (K - begin, cells) each."""
    (low, high), pulse = ends, law.pulse
    line = smoothed(trace.readings, ramps(trace.pulses), NEIGHBOURS)
    fresh = math.sqrt(1 - noise.kept**2)
    followed, seen = np.empty((2, len(trace.readings) - begin, cells))
    states: list[float] = []
    shift = np.zeros(cells)
    for k in range(begin, len(trace.readings)):
        pulses = int(trace.pulses[k - 1]) if k > begin else 0
        if pulses == 0:
            shift = noise.slow * draw.standard_normal(cells)
            unsure = noise.single / math.sqrt(2 * NEIGHBOURS + 1) * draw.standard_normal(cells)
            states = np.clip(line[k] - shift + unsure, low, high).tolist()
        up = pulses > 0
        for z in draw.standard_normal((abs(pulses), cells)).tolist():
            states = [min(max(pulse(w, up, cell, own), low), high) for w, own in zip(states, z, strict=True)]
            shift = noise.kept * shift + fresh * noise.slow * draw.standard_normal(cells)
        followed[k - begin] = states
        seen[k - begin] = states + noise.single * draw.standard_normal(cells) + shift
    return followed, seen


def _half_distance(seen: Floats) -> Floats:
    """Half of the mean distance of two of the simulated readings, for each reading."""
    count = seen.shape[1]
    ordered = np.sort(seen, axis=1)
    factors = 2 * np.arange(1, count + 1) - count - 1
    total: Floats = ordered @ factors / (count * (count - 1))
    return total
