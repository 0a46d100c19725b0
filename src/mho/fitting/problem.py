"""The likelihood of a law on a device as a function of free numbers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mho.devices import Device
from mho.fitting.estimate import COMMON, LASTS, NOISE, NOISES, SHARED_NAMES, SLOW, Estimate
from mho.fitting.filter import compiled_step, followed
from mho.fitting.parameters import Interval, limits, shapes_bounds, used_fields
from mho.fitting.weights import WeightTrace
from mho.measurements.record import Floats

WIDEST = 10.0
"""A bound is looked for up to so many ranges beyond the readings."""
APART = 10.0
"""A bound that was not reached is so many resolutions beyond the readings: closer, the extreme reading would count
as one at the bound, whose density has no limit."""
BESIDE = 3.0
"""Likewise where readings have noise, in parts of the least that it is taken to be, `FAINT`."""
FAINT = 0.05
"""Read noise below this part of the scatter of steps changes no likelihood: searches take it to be at least that."""
STEEPEST = 1e100
"""The largest slope of a log density: at the edge of where a law has a value its square would be infinite."""
NO_SLOW = ((0.0,), (1.0,))
"""The two numbers of noise that lasts where there is none."""
ASIDE = 0.05
"""Part of a noise by which the slope of the adjustment is taken."""


@final
class Problem:
    """Minus the log likelihood of a series as a function of free numbers.

    Args:
        law, series: what is fitted to what.
        held: parameters that are not searched for, with the reason.
        weights: (K - 1,) of the readings' log densities; None: all count.
        blur: noise that readings are taken to have at least; 0: what their resolution leaves.
        extrapolate: whether bounds may lie beyond the readings.
        slow: whether readings have noise that lasts.
    """

    def __init__(
        self,
        law: type[Device],
        series: WeightTrace,
        held: Mapping[str, Estimate],
        *,
        weights: Floats | None = None,
        blur: float = 0.0,
        extrapolate: bool = True,
        slow: bool = False,
    ) -> None:
        self.law, self.series, self.held, self.extrapolate, self.slow = law, series, dict(held), extrapolate, slow
        still = NOISE in held and held[NOISE].value == 0
        self.floor = max(blur, series.resolution / 12**0.5, 0.0 if still else FAINT * series.scatter)
        self.fields = used_fields(law)
        self.step = compiled_step(law, self.fields)
        self.every = (*self.fields, NOISE, *((SLOW, LASTS) if slow else ()))
        self.names = [name for name in self.every if name not in held]
        self.intervals = [self._interval(name, still) for name in self.names]
        linked = series.pulses != 0
        self.weights = linked.astype(np.float64) if weights is None else weights * linked
        self._counted = bool((self.weights > 0).all())
        self._searched_at = [self.every.index(name) for name in self.names]
        self._held_at = [self.every.index(name) for name in self.every if name in held]
        self._held_values = np.array([[held[name].value] for name in self.every if name in held]).reshape(-1, 1)

    def replaced(
        self, *, held: Mapping[str, Estimate] | None = None, weights: Floats | None = None, blur: float = 0.0
    ) -> Problem:
        """Return the problem with other parameters held, other weights of the readings, or blurred readings."""
        return Problem(
            self.law,
            self.series,
            self.held if held is None else held,
            weights=self.weights if weights is None else weights,
            blur=blur,
            extrapolate=self.extrapolate,
            slow=self.slow,
        )

    def values(self, places: Floats) -> dict[str, float]:
        """Return every parameter at these free numbers."""
        found = {name: estimate.value for name, estimate in self.held.items()}
        return found | {n: float(i.value(float(v))) for n, i, v in zip(self.names, self.intervals, places, strict=True)}

    def adopt(self, values: Mapping[str, float]) -> Floats:
        """Free numbers nearest to these values."""
        return np.array([i.free(values[name]) for name, i in zip(self.names, self.intervals, strict=True)])

    def follow(self, other: Problem, places: Floats) -> Floats:
        """Free numbers of another problem of the series, as they are there: `adopt` takes ends a little inside."""
        there, values = dict(zip(other.names, places, strict=True)), other.values(places)
        pairs = zip(self.names, self.intervals, strict=True)
        return np.array([there[name] if name in there else i.free(values[name]) for name, i in pairs])

    def look(self, places: Sequence[Floats]) -> Floats:
        """`followed` at each of some sets of free numbers, (S, 3, K - 1)."""
        table = np.array(places, np.float64)
        size = len(table)
        columns = np.empty((len(self.every), size))
        columns[self._held_at] = self._held_values
        for place, interval, column in zip(self._searched_at, self.intervals, table.T, strict=True):
            columns[place] = interval.value(column)
        frames = np.empty((5, size))
        frames[0], frames[1] = columns[self.fields.index("w_min")], columns[self.fields.index("w_max")]
        # a reading says no more than the interval that its resolution leaves
        frames[2] = np.hypot(columns[len(self.fields)], self.floor)
        frames[3:] = columns[len(self.fields) + 1 :] if self.slow else NO_SLOW
        return followed(self.step, columns[: len(self.fields)].T, frames.T, self.series.readings, self.series.pulses)

    def minus(self, places: Sequence[Floats]) -> Floats:
        """Minus the log likelihood at each; infinite where the law has no value."""
        density = self.look(places)[:, 0]
        if not self._counted:
            density = np.where(self.weights > 0, density, 0.0)
        total = -(density @ self.weights)
        return np.where(np.isfinite(total), total, np.inf)

    def __call__(self, places: Floats) -> float:
        return float(self.minus([places])[0])

    def scores(self, places: Floats) -> Floats:
        """(parameters, K - 1) slope of each reading's log density, weighted."""
        h = 1e-6
        density = self.look([places, *(places + np.eye(len(places)) * h)])[:, 0]
        slopes: Floats = _slopes(density, h) * self.weights
        return slopes

    def shape_information(self, places: Floats) -> float:
        """Half the logarithm of the information that there is of the parameters of the mean steps.

        A profile of the likelihood gives c2c too little: curves of free form follow what is wander. Less so the
        likelihood that is adjusted for them by this, as restricted maximum likelihood is (Cox and Reid 1987, J. R.
        Stat. Soc. B 49:1). Each parameter is taken to be known to about its interval without readings, or to a factor
        of e: a parameter that the readings do not tell adds nothing.
        """
        # a bound that steps end at tells itself by its readings, the better the less noise they have
        apart_from = NOISES if shapes_bounds(self.law) else (*NOISES, "w_max", "w_min")
        shapes = [k for k, name in enumerate(self.names) if name not in apart_from]
        beside = [self.intervals[k].aside(float(places[k])) for k in shapes]
        trials = np.tile(places, (len(shapes) + 1, 1))
        for row, (k, (other, _)) in enumerate(zip(shapes, beside, strict=True), 1):
            trials[row, k] = other
        density = self.look(list(trials))[:, 0]
        apart = np.array([distance for _, distance in beside])[:, None]
        scores = _slopes(density, apart) * self.weights
        return 0.5 * float(np.linalg.slogdet(scores @ scores.T + np.eye(len(scores)))[1])

    def alone(self, places: Floats) -> tuple[Problem, Floats]:
        """Return the problem in which noises that devices share are free, and these places in it."""
        free = self.replaced(held={name: estimate for name, estimate in self.held.items() if estimate.note != COMMON})
        return free, free.follow(self, places)

    def shared_slopes(self, places: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
        """Slope (S,) and curvature (S, S) of the adjusted likelihood in the logarithms of S noises that devices share.

        The other parameters follow; the adjustment counts in the slope alone.
        """
        free, at = self.alone(places)
        scores, mine, others = free.in_logarithms(at, names)
        square = scores @ scores.T
        follow = np.linalg.lstsq(square[np.ix_(others, others)], square[np.ix_(others, mine)], rcond=None)[0]
        slope, scale = scores[mine].sum(axis=1), free._per_logarithm(at)
        for n, k in enumerate(mine):
            ahead, back = (free.shape_information(at + way * np.eye(len(at))[k] * scale[k]) for way in (ASIDE, -ASIDE))
            slope[n] -= (ahead - back) / (2 * ASIDE)
        return slope, square[np.ix_(mine, mine)] - square[np.ix_(mine, others)] @ follow

    def _per_logarithm(self, places: Floats) -> Floats:
        """Return how free numbers move with the logarithms of their values."""
        pairs = zip(self.intervals, places.tolist(), strict=True)
        return np.array([i.value(v) / (i.slope(v) or 1.0) for i, v in pairs], np.float64)

    def in_logarithms(self, places: Floats, names: Sequence[str]) -> tuple[Floats, list[int], list[int]]:
        """Scores, of these parameters in their logarithms; and the places of these, and of those that follow them."""
        mine = [self.names.index(name) for name in names]
        others = [k for k, name in enumerate(self.names) if k not in mine and name not in SHARED_NAMES]
        scores = self.scores(places)
        scores[mine] *= self._per_logarithm(places)[mine][:, None]
        return scores, mine, others

    def extremes(self) -> tuple[float, float]:
        """Return where a lower and an upper bound stand that the readings do not show."""
        series, apart = self.series, APART * self.series.resolution
        if NOISE in self.held and self.held[NOISE].value == 0:
            return float(series.readings.min()) - apart, float(series.readings.max()) + apart
        beside = BESIDE * FAINT * series.scatter
        return series.range[0] - beside, series.range[1] + beside

    def _interval(self, name: str, still: bool) -> Interval:
        series = self.series
        if name in (NOISE, SLOW):
            return Interval(0.0, open=True)
        if name == LASTS:
            return Interval(2.0, max(len(series.readings) / 10, 4.0))
        if name not in ("w_max", "w_min"):
            return _law_interval(self.law, name)
        low, high = self.extremes()
        middle = (low + high) / 2
        # noise carries readings beyond a bound, but not half the range beyond it
        reach = WIDEST * (high - low) if self.extrapolate else 0.0
        if name == "w_max":
            return Interval(high if still else middle, high + reach)
        return Interval(low - reach, low if still else middle)


def _slopes(density: Floats, apart: float | Floats) -> Floats:
    """Slopes from the first of some log densities to the others; 0 where one of them has no value."""
    with np.errstate(all="ignore"):
        slopes: Floats = (density[1:] - density[0]) / apart
        if slopes.size and not np.abs(slopes).max() < STEEPEST:  # NaN is not either
            slopes = np.clip(np.nan_to_num(slopes, nan=0.0, posinf=0.0, neginf=0.0), -STEEPEST, STEEPEST)
    return slopes


@functools.lru_cache(maxsize=256)
def _law_interval(law: type[Device], name: str) -> Interval:
    return limits(law, name)
