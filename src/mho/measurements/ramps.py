"""Ramps of a series of readings, and the turning points between them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from mho.measurements.record import Floats

SWING = 0.25
"""A ramp moves by at least this share of the range,"""
NOISY = 2.5
"""and by so many standard deviations of a reading more, for devices that wander: an HfO2 ramp (N. Gong et al. 2018),
whose readings have a noise of 4 % of its range, comes back by 30 % on its way."""
SMOOTHED = 50.0
"""Readings are averaged until their noise is 1/50 of the range."""
UNSURE = 20.0
"""A turn is possible where the sum of squares is within 20 variances of the best: likelihoods within a factor e⁴, and
what curves of free form gain by following noise that is not white."""
EVEN = 40.0
"""Ramps of equal length are the usual protocol, and supposed where they fit within 40 variances: 8 for a factor e⁴,
2 ln K for odds of 1 to the K = 500 places of a usual turn, and twice that, as noise is not white (0.36 from one HfO2
reading to the next)."""
EXACT = 1e-12
"""Differences of cost, as a share of the square of the range, that are rounding."""
CLEAR = 6.0
"""Means of readings that only the noise moves stay within a range of 6 of their standard deviations."""
WHITE = 4.0
"""Readings are noise alone where the ratio of von Neumann is within 4 of its standard errors of that of white noise,"""
CERTAIN = 0.7
"""unless it is below 0.7, which few readings without noise also are."""
JUMP = 2
"""A ramp of so few pulses between ramps that are `LONGER` is a jump back to the start, not a ramp."""
LONGER = 5


@final
@dataclasses.dataclass(frozen=True)
class Turn:
    """The last reading of a ramp.

    Attributes:
        place: its index.
        first: the earliest that the noise allows.
        last: the latest.
    """

    place: int
    first: int
    last: int


@final
@dataclasses.dataclass(frozen=True)
class Ramps:
    """Ramps of K readings.

    Attributes:
        first: +1, the first ramp goes up, or -1.
        turns: where each ramp but the last ends.
        jumps: indices of readings after which the device was set back, without pulses of a ramp.
        clear: False where a single ramp moves no more than its noise.
    """

    first: int
    turns: tuple[Turn, ...]
    jumps: tuple[int, ...]
    clear: bool

    def signs(self, readings: int) -> npt.NDArray[np.int64]:
        """(K - 1,) the direction of the pulses after each reading, 0 across a jump."""
        signs = np.zeros(max(readings - 1, 0), dtype=np.int64)
        ends = [0, *(turn.place for turn in self.turns), readings - 1]
        for number, (begin, end) in enumerate(itertools.pairwise(ends)):
            signs[begin:end] = self.first if number % 2 == 0 else -self.first
        for begin in self.jumps:
            end = next(end for end in ends if end > begin)
            signs[begin:end] = 0
        return signs


def find_ramps(values: Floats) -> Ramps:
    """Find the ramps of readings in the order of time.

    Readings are smoothed as far as their noise asks, extremes are told apart by a swing of a quarter of the range or
    more, and each turn is put where a rising and a falling curve, both free in form, fit best. Where several places
    fit within the noise, as on a plateau, the place that makes ramps of equal length wins.

    Args:
        values: (K,) finite.
    """
    low, high = np.min(values), np.max(values)
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    smooth, noise = _smoothed(scaled)
    if np.ptp(smooth) < CLEAR * noise or not moves(values):
        return Ramps(_sign(scaled), (), (), False)
    first, rough = _extremes(smooth, (SWING + NOISY * min(_noise(scaled), 0.1)) * max(float(np.ptp(smooth)), 1e-12))
    if not first:
        return Ramps(_sign(scaled), (), (), False)
    turns = _placed(scaled, rough, first)
    ends = [0, *(turn.place for turn in turns), len(values) - 1]
    lengths = np.diff(ends)
    jumps = tuple(
        int(ends[k])
        for k in range(1, len(lengths) - 1)
        if lengths[k] <= JUMP and min(lengths[k - 1], lengths[k + 1]) >= LONGER * lengths[k]
    )
    return Ramps(first, tuple(turns), jumps, bool(turns) or _moves(scaled))


def moves(values: Floats) -> bool:
    """Return True if readings follow each other more closely than white noise does.

    The mean square of steps over the variance is 2 ± 2/√K for white noise, and near 0 for ramps (J. von Neumann 1941,
    Annals of Mathematical Statistics 12, 367).

    Args:
        values: (K,) finite.
    """
    variance = float(np.var(values))
    if len(values) < 3 or variance == 0:
        return len(values) == 2 and variance > 0
    ratio = float(np.mean(np.diff(values) ** 2)) / variance
    return ratio < max(2 - WHITE * 2 / math.sqrt(len(values)), CERTAIN)


def _sign(values: Floats) -> int:
    """Return the direction of a whole series, by the means of its ends."""
    part = max(len(values) // 4, 1)
    return 1 if np.mean(values[-part:]) >= np.mean(values[:part]) else -1


def _moves(values: Floats) -> bool:
    """Return True if the ends of a ramp differ by more than four times their noise."""
    part = max(len(values) // 4, 1)
    noise = _noise(values) / np.sqrt(part)
    return bool(abs(np.mean(values[-part:]) - np.mean(values[:part])) > 4 * noise)


def _noise(values: Floats) -> float:
    """Standard deviation of single readings, by the median of their second differences, which ramps hardly have."""
    bends = np.diff(values, 2)
    return float(np.median(np.abs(bends))) * 1.4826 / np.sqrt(6) if len(bends) else 0.0


def _smoothed(values: Floats) -> tuple[Floats, float]:
    """Running medians of three against single outliers, then means over as many readings as the noise asks.

    Returns:
        (K,) and the noise that is left.
    """
    if len(values) < 5:
        return values, 0.0
    padded = np.concatenate([values[:1], values, values[-1:]])
    inner: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)
    window = min(int((SMOOTHED * _noise(values)) ** 2) // 2, len(values) // 8)
    if window < 1:
        return inner, _noise(values)
    sums = np.concatenate([[0.0], np.cumsum(inner)])
    place = np.arange(len(inner))
    begin, end = np.maximum(place - window, 0), np.minimum(place + window + 1, len(inner))
    means: Floats = (sums[end] - sums[begin]) / (end - begin)
    return means, _noise(values) / math.sqrt(2 * window + 1)


def _extremes(values: Floats, swing: float) -> tuple[int, list[int]]:
    """Return the first direction (0: no swing), and the readings from which the series comes back by a swing."""
    way = first = low = high = 0
    turns: list[int] = []
    for place, value in enumerate(values.tolist()):
        high = place if value > values[high] else high
        low = place if value < values[low] else low
        if way >= 0 and values[high] - value > swing and (way or high < place):
            if way:
                turns.append(high)
            way, low = -1, place
        elif way <= 0 and value - values[low] > swing:
            if way:
                turns.append(low)
            way, high = 1, place
        first = first or way
    return first, turns


def _placed(values: Floats, rough: Sequence[int], first: int) -> list[Turn]:
    """Return the turning points, each placed between the turning point before it and the extreme after it."""
    turns: list[Turn] = []
    ends = [0, *rough, len(values) - 1]
    for number in range(1, len(ends) - 1):
        begin = turns[-1].place if turns else 0
        part = values[begin : ends[number + 1] + 1] * (first if number % 2 else -first)
        cost = (_rising_cost(part) + _rising_cost(part[::-1])[::-1])[1:-1]
        # free curves follow the noise of steep ramps, and leave less of it than there is
        variance = max(float(np.min(cost)) / len(part), _noise(values) ** 2)
        possible = np.flatnonzero(cost <= np.min(cost) + UNSURE * variance + EXACT)
        places = [place - 1 - begin for place in _even_turn(number, len(rough) + 1, len(values))]
        place = _even(cost, places, variance)
        if place is None:
            place = int(possible[np.flatnonzero(cost[possible] <= np.min(cost) + EXACT)[-1]])
        earliest, latest = min(place, int(possible[0])), max(place, int(possible[-1]))
        turns.append(Turn(begin + 1 + place, begin + 1 + earliest, begin + 1 + latest))
    return turns


def _even_turn(number: int, ramps: int, readings: int) -> list[int]:
    """Return the turning point of ramps of equal length, exactly where the number of readings determines it.

    L pulses a ramp make ramps·L readings, each after its pulse, or one more with the reading before the first pulse.

    Args:
        number: number of the turn, from 1.
        ramps: how many there are.
        readings: how many there are.
    """
    length, left = divmod(readings, ramps)
    if left < 2:
        return [number * length - 1 + left]
    place = number * readings / ramps - 1
    return [math.floor(place), math.ceil(place)]


def _even(cost: Floats, places: Sequence[int], variance: float) -> int | None:
    """Return the place that makes ramps of equal length, if it fits."""
    near = [place for place in places if 0 <= place < len(cost)]
    best = min(near, key=lambda place: (cost[place], place), default=None)
    return best if best is not None and cost[best] <= np.min(cost) + EVEN * variance + EXACT else None


def _rising_cost(values: Floats) -> Floats:
    """Return the least sums of squares (K,) of a curve that never falls, through the first 1, 2, ... K values.

    Pools of adjacent violators, whose cost is kept as they grow (Stout 2008, Computational Statistics & Data Analysis
    53, 289): isotonic_regression of scipy gives it for one length at a time.
    """
    cost = np.empty(len(values))
    pools: list[tuple[float, int, float]] = []  # mean, number, sum of squares of it and all pools before
    for place, value in enumerate(values.tolist()):
        mean, count, squares = value, 1, 0.0
        while pools and pools[-1][0] >= mean:
            before, number, total = pools.pop()
            own = total - (pools[-1][2] if pools else 0.0)
            squares += own + (before - mean) ** 2 * count * number / (count + number)
            mean = (mean * count + before * number) / (count + number)
            count += number
        total = squares + (pools[-1][2] if pools else 0.0)
        pools.append((mean, count, total))
        cost[place] = total
    return cost
