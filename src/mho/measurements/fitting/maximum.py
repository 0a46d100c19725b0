"""One law fitted to one device by maximum likelihood."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, final

import numpy as np

from mho.devices import Device
from mho.measurements.fitting.filter import compiled_step, likelihood
from mho.measurements.fitting.hessian import standard_errors
from mho.measurements.fitting.parameters import Interval, defaults, limits, used_fields
from mho.measurements.fitting.weights import WeightTrace
from mho.measurements.record import Floats

NOISE = "read_noise"
"""Name of the standard deviation of readings among the parameters of a fit."""
STARTS = ((0.03, 1.0), (0.5, 0.4), (0.03, 0.05))
"""Where searches begin: how far bounds lie beyond the readings, in half ranges, and a factor on the law's shapes."""
WIDEST = 10.0
"""A bound is looked for up to so many ranges beyond the readings."""
TRIAL, FULL = 12, 60
"""Steps from each start, and of the best that goes on."""
BLURS = (0.3, 0.03, 0.003)
"""Parts of the median step that readings are blurred by on the way to the best."""
ENOUGH = 0.002
"""A search ends where a Newton step promises half of this in log likelihood: a few hundredths of a standard error."""
APART = 10.0
"""A bound that was not reached is so many resolutions beyond the readings: closer, the extreme reading would count
as one at the bound, whose density has no limit."""
COSTS_NOTHING = 0.5
"""Log likelihood that is not missed where a bound is put at the extreme reading."""


@final
@dataclasses.dataclass(frozen=True)
class Estimate:
    """A parameter as fitted.

    Attributes:
        value: in the law's own units.
        error: its standard error; None where the data do not determine it, or where it was not fitted.
        note: why it has no error, or where it comes from; empty for an ordinary estimate.
    """

    value: float
    error: float | None
    note: str = ""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class TraceFit:
    """A law as fitted to one device.

    Attributes:
        law: its class.
        series: what it was fitted to.
        estimates: every field that pulses depend on, and `read_noise`.
        log_likelihood: of the readings that were fitted.
        count: of the law's parameters, and of read noise if there is any, whether or not the data tell them.
        log_density: (K - 1,) of each reading given those before it; NaN after a gap.
        expected: (K - 1,) mean of each reading given those before it.
        deviation: (K - 1,) its standard deviation.
        problem: what was searched, for another search.
        places: where the search ended.
    """

    law: type[Device]
    series: WeightTrace
    estimates: dict[str, Estimate]
    log_likelihood: float
    count: int
    log_density: Floats
    expected: Floats
    deviation: Floats
    problem: Problem
    places: Floats

    @property
    def residuals(self) -> Floats:
        """Standardised: reading less its mean, over its standard deviation, (K - 1,); NaN after a gap."""
        residuals: Floats = (self.series.readings[1:] - self.expected) / self.deviation
        return residuals

    @property
    def values(self) -> dict[str, float]:
        """The fields of the law, without `read_noise`."""
        return {name: e.value for name, e in self.estimates.items() if name != NOISE}


def fit_trace(law: type[Device], series: WeightTrace) -> TraceFit:
    """Fit a law to one device by maximum likelihood, from several starts.

    Bounds that readings repeat exactly are taken from there; a bound that readings do not show is put at the extreme
    reading. Standard errors come from the curvature of the likelihood.

    Raises:
        LawError: for a law that cannot be fitted.
    """
    problem = Problem(law, series, _held(law, series))
    found = problem.search(problem.sketch())
    problem, found = _bounds_shown(problem, found)
    return problem.answer(found.x)


@final
class Problem:
    """Minus the log likelihood of a series as a function of free numbers.

    Args:
        law, series: what is fitted to what.
        held: parameters that are not searched for, with the reason.
        weights: (K - 1,) of the readings' log densities; None: all count.
        blur: noise that readings are taken to have at least; 0: what their resolution leaves.
    """

    def __init__(
        self,
        law: type[Device],
        series: WeightTrace,
        held: Mapping[str, Estimate],
        *,
        weights: Floats | None = None,
        blur: float = 0.0,
    ) -> None:
        self.law, self.series, self.held = law, series, dict(held)
        self.floor = max(blur, series.resolution / 12**0.5)
        self.fields = used_fields(law)
        self.step = compiled_step(law, self.fields)
        self.names = [name for name in (*self.fields, NOISE) if name not in held]
        self.intervals = [_interval(law, name, series) for name in self.names]
        linked = series.pulses != 0
        self.weights = linked.astype(np.float64) if weights is None else weights * linked
        self._scored: Floats | None = None
        self._scores: Floats = np.empty(0)

    def weighted(self, weights: Floats) -> Problem:
        """The same, with other weights of the readings."""
        return Problem(self.law, self.series, self.held, weights=weights)

    def sketch(self) -> Floats:
        """The best end of short searches from several starts.

        Readings are blurred by part of a step: where a law's step and its noise vanish, single readings would
        otherwise cost millions, and hide the way to parameters that have no such place.
        """
        steps = np.abs(self.series.steps)
        step = float(np.median(steps[steps > 0]))  # NaN, after 0 pulses, is not
        blurred = [Problem(self.law, self.series, self.held, weights=self.weights, blur=b * step) for b in BLURS]
        tried = [blurred[0].search(self.start(*start), steps=TRIAL) for start in STARTS]
        best: Floats = sorted(tried, key=lambda end: float(end.fun))[0].x
        for problem in blurred:
            best = problem.search(best).x
        return best

    def values(self, places: Floats) -> dict[str, float]:
        """Every parameter at these free numbers."""
        found = {name: estimate.value for name, estimate in self.held.items()}
        return found | {n: i.value(float(v)) for n, i, v in zip(self.names, self.intervals, places, strict=True)}

    def look(self, places: Floats) -> tuple[Floats, Floats, Floats]:
        """`likelihood` there."""
        values = self.values(places)
        fields = np.array([values[name] for name in self.fields])
        bounds = (values["w_min"], values["w_max"])
        # a reading says no more than the interval that its resolution leaves
        noise = float(np.hypot(values[NOISE], self.floor))
        return likelihood(self.step, fields, bounds, noise, self.series.readings, self.series.pulses)

    def __call__(self, places: Floats) -> float:
        density = self.look(places)[0]
        total = -float(np.dot(np.nan_to_num(density, nan=0.0), self.weights))
        return total if np.isfinite(total) and not np.isnan(density[self.weights > 0]).any() else 1e12

    def scores(self, places: Floats) -> Floats:
        """(parameters, K - 1) slope of each reading's log density, weighted."""
        if self._scored is None or not np.array_equal(places, self._scored):
            h = 1e-6
            here = self.look(places)[0]
            ahead = np.array([self.look(places + way)[0] for way in np.eye(len(places)) * h])
            self._scores = np.nan_to_num((ahead - here) / h, nan=0.0) * self.weights
            self._scored = places.copy()
        return self._scores

    def search(self, start: Floats, *, steps: int = FULL) -> Any:
        """The nearest minimum from a start: Newton's method with the outer product of the scores for a Hessian."""
        from scipy.optimize import OptimizeResult, minimize  # a third of a second to import

        if not len(start):
            return OptimizeResult(x=start, fun=self(start))

        def watch(intermediate_result: Any) -> None:
            scores = self.scores(intermediate_result.x)
            slope = scores.sum(axis=1)
            if slope @ np.linalg.lstsq(scores @ scores.T, slope, rcond=None)[0] < ENOUGH:
                raise StopIteration

        def down(x: Floats) -> Floats:
            slope: Floats = -self.scores(x).sum(axis=1)
            return slope

        def newton(x: Floats) -> Any:
            return minimize(
                self,
                x,
                jac=down,
                hess=lambda x: self.scores(x) @ self.scores(x).T,
                method="trust-exact",
                callback=watch,
                options={"gtol": 1e-3, "maxiter": steps},
            )

        with np.errstate(all="ignore"):
            found = newton(start)
            if found.nit == steps == FULL:
                # far from the best a few readings rule that Hessian, and steps stay short; secants do not mind
                found = newton(minimize(self, found.x, jac=down, method="BFGS", options={"gtol": 0.1}).x)
        return found

    def start(self, beyond: float, shape: float) -> Floats:
        """Free numbers of a start: steps and noise as the readings show them, shapes from the law's defaults."""
        series, values = self.series, dict(defaults(self.law))
        half = float(np.ptp(series.readings)) / 2
        up, down = (_mean_step(series, sign) for sign in (1, -1))
        step = float(np.nanmean([up, down]))
        guess = {"w_max": series.readings.max() + beyond * half, "w_min": series.readings.min() - beyond * half}
        guess |= {"dw_min": step, "up_down": up / down if up > 0 and down > 0 else 1.0, "c2c": 0.3}
        guess[NOISE] = max(series.noise, series.resolution)
        named = guess.keys()
        values = {name: value if name in named else value * shape for name, value in values.items()} | guess
        return np.array([i.free(values[name]) for name, i in zip(self.names, self.intervals, strict=True)])

    def answer(self, places: Floats) -> TraceFit:
        """The fit at these free numbers, with errors."""
        values = self.values(places)
        slopes = np.array([i.slope(float(v)) for i, v in zip(self.intervals, places, strict=True)])
        errors = standard_errors(self, places)
        estimates = dict(self.held)
        for name, interval, slope, (error, others) in zip(self.names, self.intervals, slopes, errors, strict=True):
            note, end = "", interval.end(values[name])
            if end is not None:
                error, note = None, f"at the end of its range, {end:g}"
            elif error is None:
                together = [self.names[k] for k in others if self.names[k] != name]
                note = f"not determined by the data{' apart from ' + ', '.join(together) if together else ''}"
            estimates[name] = Estimate(values[name], None if error is None else float(abs(slope) * error), note)
        density, expected, deviation = self.look(places)
        order = [*self.fields, NOISE]
        return TraceFit(
            law=self.law,
            series=self.series,
            estimates={name: estimates[name] for name in order},
            log_likelihood=-self(places),
            count=len(self.fields) + self.series.noisy,
            log_density=density,
            expected=expected,
            deviation=deviation,
            problem=self,
            places=places,
        )


@functools.lru_cache(maxsize=256)
def _law_interval(law: type[Device], name: str) -> Interval:
    return limits(law, name)


def _interval(law: type[Device], name: str, series: WeightTrace) -> Interval:
    if name == NOISE:
        return Interval(0.0, open=True)
    if name not in ("w_max", "w_min"):
        return _law_interval(law, name)
    span = float(np.ptp(series.readings))
    middle = float(series.readings.max() + series.readings.min()) / 2
    # noise carries readings beyond a bound, but not half the range beyond it
    if name == "w_max":
        low = middle if series.noisy else float(series.readings.max()) + APART * series.resolution
        return Interval(low, low + WIDEST * span)
    high = middle if series.noisy else float(series.readings.min()) - APART * series.resolution
    return Interval(high - WIDEST * span, high)


def _held(law: type[Device], series: WeightTrace) -> dict[str, Estimate]:
    """Parameters that are known before the search, or that these data cannot tell."""
    held: dict[str, Estimate] = {}
    if not series.noisy:
        held[NOISE] = Estimate(0.0, None, "the readings show none")
    for name, plateau in zip(("w_min", "w_max"), series.plateaus, strict=True):
        if plateau is not None:
            held[name] = Estimate(plateau, series.resolution, "readings repeat there")
    fields, start = used_fields(law), defaults(law)
    for sign, word in ((1, "up"), (-1, "down")):
        if not (np.sign(series.pulses) == sign).any():
            silent = [n for n in fields if n == "up_down" or (n.endswith(f"_{word}") and n != "up_down")]
            values = {name: 1.0 if name == "up_down" else start[name] for name in silent}
            end = "w_max" if sign > 0 else "w_min"
            values[end] = float(series.readings.max() if sign > 0 else series.readings.min())
            held |= {name: Estimate(value, None, f"no {word} pulses in the data") for name, value in values.items()}
    return held


def _mean_step(series: WeightTrace, sign: int) -> float:
    """Mean step of one direction, at least a thousandth of the range; NaN where there are no pulses of it."""
    steps = series.steps[np.sign(series.pulses) == sign]
    if not len(steps):
        return float("nan")
    middle = np.abs(series.readings[:-1][np.sign(series.pulses) == sign])
    inner = steps[middle <= np.quantile(middle, 0.5)]
    return max(float(inner.mean()), 1e-5 * float(np.ptp(series.readings)))


def _bounds_shown(problem: Problem, found: Any) -> tuple[Problem, Any]:
    """Put bounds that the readings do not show at the extreme readings."""
    readings, apart = problem.series.readings, APART * problem.series.resolution
    for name, extreme in (("w_max", float(readings.max()) + apart), ("w_min", float(readings.min()) - apart)):
        if name not in problem.names:
            continue
        reason = Estimate(extreme, None, "the bound was not reached: the extreme reading stands for it")
        without = Problem(problem.law, problem.series, problem.held | {name: reason}, weights=problem.weights)
        start = np.array([v for v, n in zip(found.x, problem.names, strict=True) if n != name])
        other = without.search(start)
        if other.fun < found.fun + COSTS_NOTHING:
            problem, found = without, other
    return problem, found
