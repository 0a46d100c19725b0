"""A fitted device sent the pulses that were measured, and how far its readings are from the measured ones."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Any, final

import numpy as np

from mho.fitting.weights import ReadingNoise, WeightTrace, line_at, ramps
from mho.measurements.record import Floats

CELLS, FEW = 64, 16
"""Cells that are simulated for a band that is drawn, and for a distance only, whose mean does not depend on them."""
BAND = (0.05, 0.95)
"""Quantiles of the simulated readings that are drawn."""
NORMAL = np.array([statistics.NormalDist().inv_cdf((k + 0.5) / 15) for k in range(15)])
"""Evenly likely normals that stand for the noise of readings in a band, whose ends single draws would fray."""
NEIGHBOURS = 2
"""Readings to either side from whose straight line a simulation takes its first state, where readings have noise."""
ENOUGH = 10
"""Readings that a cycle left out has at least."""


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
    """Return the reading at which the last cycle begins: a ramp each way, or one ramp where one direction is pulsed.

    Parts of a ramp that follow each other across a gap are one ramp where both directions are pulsed; where only one
    is, gaps tell ramps apart.

    Returns:
        Its number; None where no whole cycle is left for a fit, or the last cycle has few readings.
    """
    signs = np.sign(trace.pulses)
    pulsed = np.flatnonzero(signs)
    both = {int(sign) for sign in signs[pulsed]} == {1, -1}
    apart = np.diff(signs[pulsed]) != 0 if both else np.diff(pulsed) > 1
    begins = pulsed[np.concatenate([[True], apart])]
    cycle = 2 if both else 1
    if len(begins) < 2 * cycle or len(trace.readings) - begins[-cycle] <= ENOUGH:
        return None
    return int(begins[-cycle])


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
    group = ramps(trace.pulses)
    fresh = math.sqrt(1 - noise.kept**2)
    followed, seen = np.empty((2, len(trace.readings) - begin, cells))
    states: list[float] = []
    shift = np.zeros(cells)
    for k in range(begin, len(trace.readings)):
        pulses = int(trace.pulses[k - 1]) if k > begin else 0
        if pulses == 0:
            there, known = (float(trace.readings[k]), 0.0)
            if noise.single:
                there, known = line_at(trace.readings, group, k, NEIGHBOURS)
            shift = noise.slow * draw.standard_normal(cells)
            unsure = noise.single * math.sqrt(known) * draw.standard_normal(cells)
            states = np.clip(there - shift + unsure, low, high).tolist()
        up = pulses > 0
        for _ in range(abs(pulses)):
            z = draw.standard_normal(cells).tolist()
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
