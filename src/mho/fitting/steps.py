"""Steps as readings show them: single ones, and means over stretches that are long enough to see through noise."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import final

import numpy as np

from mho.fitting.weights import ReadingNoise, WeightTrace, ramps, smoothed
from mho.measurements.record import Floats

SEEN = 0.3
"""Part of a mean step that noise of readings leaves of the mean over a stretch."""
PARTS = 4
"""A ramp is cut into so many stretches or more, as far as it has readings."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
    """Steps of one direction.

    Attributes:
        states: (S,) weights before the step, of several pulses the mean over them.
        sizes: (S,) change a pulse, positive where it goes the way of the pulses.
        pulses: (S,) that each is the mean of.
    """

    states: Floats
    sizes: Floats
    pulses: Floats


def single_steps(trace: WeightTrace, sign: int) -> Steps:
    """Return each step of a direction, between two readings."""
    mine, pulses = np.sign(trace.pulses) == sign, np.abs(trace.pulses).astype(np.float64)
    sizes = trace.steps[mine]
    return Steps(_before(trace.states[mine], sign * sizes, pulses[mine]), sizes, pulses[mine])


def _before(states: Floats, moves: Floats, pulses: Floats) -> Floats:
    """Mean weight before each of some pulses that move it by as much each, from where the first begins."""
    return states + (pulses - 1) / 2 * moves


def mean_steps(trace: WeightTrace, sign: int, noise: ReadingNoise) -> Steps:
    """Steps of a direction over stretches of their ramps.

    A stretch's step is the slope of the straight line through its readings. Stretches are as long as the noise of
    readings asks for: without noise one step each. Single noisy steps would also be biased: a reading that is too
    high raises the state and lowers the step after it.

    Args:
        trace: readings and pulses.
        sign: +1 for up, -1 for down.
        noise: of readings.
    """
    group, places = ramps(trace.pulses), np.cumsum(np.concatenate([[0], np.abs(trace.pulses)])).astype(np.float64)
    found = []
    for number in np.unique(group[1:][np.sign(trace.pulses) == sign]):
        inside = np.flatnonzero(group == number)
        # a ramp begins at the reading before its first pulse, if one is connected to it
        first = inside[0] - 1 if inside[0] > 0 and trace.pulses[inside[0] - 1] else inside[0]
        last = inside[-1]
        count = last - first
        if count < 1:
            continue
        length = min(_length(trace, first, last, noise), max(count // PARTS, 1))
        edges = np.linspace(first, last, max(int(count // length), 1) + 1).round().astype(int)
        for a, b in itertools.pairwise(edges):
            x, y = places[a : b + 1], trace.readings[a : b + 1]
            slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
            counts = np.diff(x)
            state = float(np.average(_before(y[:-1], np.diff(y) / counts, counts), weights=counts))
            found.append((state, sign * slope, x[-1] - x[0]))
    table = np.array(found, np.float64).reshape(-1, 3)
    return Steps(table[:, 0], table[:, 1], table[:, 2])


def _length(trace: WeightTrace, first: int, last: int, noise: ReadingNoise) -> int:
    """Readings from the first to the last of a stretch of a ramp, less one."""
    variance = noise.single**2 + 2 * noise.lasts * noise.slow**2  # lasting noise has so many times fewer fresh values
    if variance == 0:
        return 1
    line = smoothed(trace.readings[first : last + 1], np.zeros(last + 1 - first, np.int64))
    a_reading = abs(float(line[-1] - line[0])) / (last - first)
    # the slope of a line through n readings has the variance 12 noise² / n³
    length: int = math.ceil((12 * variance / max(SEEN * a_reading, 1e-12) ** 2) ** (1 / 3))
    return max(length, 1)
