"""One law fitted to one device, or to several with the same read noise, by maximum likelihood."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mho.devices import Device, PerCell
from mho.measurements.fitting.filter import compiled_step, followed
from mho.measurements.fitting.hessian import standard_errors
from mho.measurements.fitting.parameters import Interval, defaults, limits, shapes_bounds, used_fields
from mho.measurements.fitting.search import ENOUGH, FLAT, STEPS, End, climb
from mho.measurements.fitting.weights import ReadingNoise, WeightTrace
from mho.measurements.record import Floats

NOISE = "read_noise"
"""Name of the standard deviation of readings among the parameters of a fit."""
CYCLE = "c2c"
"""Name of the noise of steps among them."""
SLOW, LASTS = "slow_noise", "slow_pulses"
"""Names of the standard deviation of noise that lasts, and of the pulses after which 1/e of it is left."""
NOISES = (NOISE, CYCLE, SLOW, LASTS)
"""Parameters that the mean steps do not depend on."""
SHARED_NAMES = (NOISE, CYCLE)
"""Those that devices share."""
STARTS = ((0.03, 1.0), (0.5, 0.4), (0.03, 0.05))
"""Where searches begin: how far bounds lie beyond the readings, in half ranges, and a factor on the law's shapes."""
WIDEST = 10.0
"""A bound is looked for up to so many ranges beyond the readings."""
TRIAL, BEST = 10, 3
"""Steps from each start, and how many of the best ends are gone on from."""
ALIKE = 0.01
"""Log likelihood within which two starts have found the same maximum; then others are not tried."""
MORE = 20
"""Steps that decide which bounds were reached."""
SIMILAR = 1.0
"""Log likelihood of a reading within which a device is as well fitted as the one before it."""
ROUGH = 0.01
"""Promised gain in log likelihood that ends a search on the way to the best."""
BLURS = (0.3, 0.03, 0.003)
"""Parts of the median step that readings are blurred by on the way to the best."""
APART = 10.0
"""A bound that was not reached is so many resolutions beyond the readings: closer, the extreme reading would count
as one at the bound, whose density has no limit."""
SAME = 3.0
"""Log likelihood of a device that such a faint noise may gain without being taken: a reading beside a bound does it."""
BESIDE = 3.0
"""Likewise where readings have noise, in parts of the least that it is taken to be, `FAINT`."""
FAINT = 0.05
"""Read noise below this part of the scatter of steps changes no likelihood: searches take it to be at least that."""
LEAST = 4.0
"""Where read noise is above so many of these parts, and no bound is repeated, that it is 0 is not tried."""
MAYBE, WIDE = 0.4, 4.5
"""Read noise of several devices over the scatter of steps below which it may be none, and the log likelihood, beside
what a reading beside a bound gains each device, within which three standard errors of it reach 0."""
REACH = 2.99
"""Standard errors that reach what is as likely: three, and a little for rounding."""
STEEPEST = 1e100
"""The largest slope of a log density: at the edge of where a law has a value its square would be infinite."""
COSTS_NOTHING = 0.5
"""Log likelihood that is not missed where a bound is put at the extreme reading."""
ROUNDS, CLOSE = 12, 1e-3
"""Newton steps towards the noises of several devices, and the square of the step, in standard errors, that ends."""
LEAST_CYCLE, ASIDE = 1e-3, 0.05
"""The least c2c of several devices, and part of a noise by which the slope of the adjustment is taken."""
COMMON = "common to all devices"
"""Note of a noise that is held because devices share it."""
ASLEEP, AWAKE, AWAKE_NOISE = 0.02, 0.2, 0.4
"""c2c that is next to 0; c2c, and read noise over the scatter of steps, at which another search begins."""


@final
@dataclasses.dataclass(frozen=True)
class Estimate:
    """A parameter as fitted.

    Attributes:
        value: in the law's own units.
        error: its standard error; None where the data do not determine it, or where it was not fitted.
        note: why it has no error, or where it comes from; empty for an ordinary estimate.
        shared: the part of the error that all devices share, as it comes from their common read noise.
    """

    value: float
    error: float | None
    note: str = ""
    shared: float = 0.0


@final
@dataclasses.dataclass(frozen=True, eq=False)
class TraceFit:
    """A law as fitted to one device.

    Attributes:
        law: its class.
        series: what it was fitted to.
        estimates: every field that pulses depend on, and `read_noise`; with slow noise its two numbers.
        log_likelihood: of the readings that were fitted.
        count: of the law's parameters and the noise of readings, whether or not the data tell them.
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
        """The fields of the law, without noise of readings."""
        return {name: self.estimates[name].value for name in self.problem.fields}

    @property
    def noise(self) -> ReadingNoise:
        """The noise of readings."""
        size = {name: self.estimates[name].value for name in (NOISE, SLOW, LASTS) if name in self.estimates}
        return ReadingNoise(size[NOISE], size.get(SLOW, 0.0), size.get(LASTS, 1.0))


def fit_trace(law: type[Device], series: WeightTrace, *, extrapolate: bool = True) -> TraceFit:
    """Fit a law to one device: `fit_devices` of one."""
    return fit_devices(law, [series], extrapolate=extrapolate)[0]


def fit_devices(
    law: type[Device],
    traces: Sequence[WeightTrace],
    *,
    extrapolate: bool = True,
    slow_from: Sequence[TraceFit] | None = None,
) -> tuple[TraceFit, ...]:
    """Fit a law to devices by maximum likelihood, from several starts; their noises are the same numbers.

    Read noise is a parameter like the others. Its value 0, where bounds that readings repeat exactly are taken from
    there, is an end of its range, and is taken if it is at least as likely for all devices together. A bound that
    readings do not show is put at the extreme reading. Standard errors come from the curvature of the likelihood. The
    c2c of several devices is one number too, unless the law's is one of each cell's own, and both noises are the most
    likely by the likelihood that is adjusted for the mean steps (`Problem.shape_information`).

    Args:
        law: its class.
        traces: one a device.
        extrapolate: whether every bound may lie beyond the readings; else only those that shape the law's steps.
        slow_from: fits without noise that lasts over readings, to which such noise is to be added; None: there is none.

    Raises:
        LawError: for a law that cannot be fitted.
    """
    noisy, beyond = [], extrapolate or shapes_bounds(law)
    alone = len(traces) == 1
    model: tuple[Mapping[str, float], float] | None = None
    slow = slow_from is not None
    for number, series in enumerate(traces):
        free = Problem(law, series, _held(law, series), extrapolate=beyond, slow=slow)
        sketch, level = free.sketch(model, None if slow_from is None else slow_from[number])
        problem, end = free.improved(sketch, polished=alone)
        model = (problem.values(end.places), level)
        noisy.append((problem, end))
    best = _together(noisy)
    repeated = [series.plateaus != (None, None) for series in traces]
    common = best.sizes.get(NOISE, math.inf)
    if all(
        again or faint(*fit) or common < MAYBE * fit[0].series.scatter
        for again, fit in zip(repeated, noisy, strict=True)
    ):
        quiet = []
        for series, again, (problem, end) in zip(traces, repeated, noisy, strict=True):
            still = Problem(law, series, _still(law, series, beyond), extrapolate=beyond, slow=slow)
            start = still.sketch(None, None)[0] if again else still.adopt(problem.values(end.places))
            quiet.append(still.improved(start, polished=True))
        without, slack = _together(quiet), SAME * len(traces)
        missed = without.minus - best.minus
        if missed <= (slack if all(faint(*fit) for fit in noisy) else 0.0):
            best = without
        elif best.errors and missed < slack + WIDE:
            best = best.reaching(without)
    if alone:
        return tuple(problem.answer(end.places) for problem, end in best.fits)
    ends = [(problem, climb(problem, end.places)) for problem, end in best.fits]
    return tuple(problem.answer(end.places, best.errors) for problem, end in ends)


def faint(problem: Problem, end: End) -> bool:
    """Whether read noise is so small that it may be 0."""
    return problem.values(end.places)[NOISE] < LEAST * problem.floor


NONE = Estimate(0.0, None, "none shows: it is at the end of its range, 0")
UNREACHED = "the bound was not reached: the extreme reading stands for it"


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Shared:
    """Fits of several devices whose noises are the same numbers.

    Attributes:
        fits: one a device, with these noises held.
        sizes: read noise and c2c, as far as devices share them.
        minus: minus the log likelihood, of several devices adjusted for the parameters of the mean steps of each.
        errors: standard errors of the logarithms of those that were searched for.
    """

    fits: list[tuple[Problem, End]]
    sizes: dict[str, float]
    minus: float
    errors: dict[str, float]

    def reaching(self, other: Shared) -> Shared:
        """These with errors of which three reach the noises of other fits, or none."""
        wide = {
            name: abs(math.log(other.sizes[name] / self.sizes[name])) if name in other.sizes else 1.0
            for name in self.errors
        }
        return dataclasses.replace(self, errors={name: max(e, wide[name] / REACH) for name, e in self.errors.items()})


def share(found: Sequence[tuple[Problem, End]], at: Mapping[str, float], names: Sequence[str]) -> Shared:
    """The fits with the read noise or c2c, or both, that the adjusted likelihood of all devices together has.

    Args:
        found: fits near these.
        at: read noise and c2c to begin with, those that all devices have.
        names: those of them that are searched for; the others are held there.
    """
    sizes, fits, errors = dict(at), list(found), dict.fromkeys(names, 0.0)
    for _ in range(ROUNDS):
        fits = [held_at(problem, end, sizes) for problem, end in fits]
        if not names:
            break
        parts = [problem.shared_slopes(end.places, names) for problem, end in fits]
        slope, bend = (np.sum([part[k] for part in parts], axis=0) for k in (0, 1))
        inverse = np.linalg.inv(bend + FLAT * np.eye(len(names)))
        errors = dict(zip(names, np.sqrt(np.diag(inverse)).tolist(), strict=True))
        step = np.clip(inverse @ slope, -1.0, 1.0)
        if step @ bend @ step < CLOSE:
            break
        for name, move in zip(names, step.tolist(), strict=True):
            least = LEAST_CYCLE if name == CYCLE else max(problem.floor for problem, _ in fits)
            sizes[name] = max(sizes[name] * math.exp(move), least)
    minus = sum(end.minus + problem.shape_information(end.places) for problem, end in fits)
    return Shared(fits, sizes, minus, errors)


def held_at(problem: Problem, end: End, sizes: Mapping[str, float]) -> tuple[Problem, End]:
    """The fit with these noises held, from a fit near it."""
    held = problem.held | {name: Estimate(size, None, COMMON) for name, size in sizes.items()}
    other = problem.replaced(held=held)
    return other, climb(other, other.follow(problem, end.places), steps=TRIAL, enough=ROUGH)


def _together(found: list[tuple[Problem, End]]) -> Shared:
    """Fits of several devices with the same read noise, unless there is none, and the same c2c; of one as it is."""
    if len(found) == 1:
        return Shared(found, {}, found[0][1].minus, {})
    first = found[0][0]
    names = [n for n in (NOISE, CYCLE) if n in first.names and not (n == CYCLE and _differs(first.law, n))]
    values = [problem.values(end.places) for problem, end in found]
    sizes = {}
    if NOISE in names:
        floor = max(problem.floor for problem, _ in found)
        sizes[NOISE] = max(float(np.median([v[NOISE] for v in values])), floor)
    if CYCLE in names:
        sizes[CYCLE] = max(float(np.sqrt(np.mean([v[CYCLE] ** 2 for v in values]))), AWAKE)
    return share(found, sizes, names)


def _differs(law: type[Device], name: str) -> bool:
    """Whether a law's field has a value of its own in each device."""
    return any(f.name == name and isinstance(f.default, PerCell) for f in dataclasses.fields(law))


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

    def replaced(
        self, *, held: Mapping[str, Estimate] | None = None, weights: Floats | None = None, blur: float = 0.0
    ) -> Problem:
        """The same with other parameters held, other weights of the readings, or blurred readings."""
        return Problem(
            self.law,
            self.series,
            self.held if held is None else held,
            weights=self.weights if weights is None else weights,
            blur=blur,
            extrapolate=self.extrapolate,
            slow=self.slow,
        )

    def sketch(self, model: tuple[Mapping[str, float], float] | None, plain: TraceFit | None) -> tuple[Floats, float]:
        """The best end of short searches from several starts, or from the fit to another device if that fits as well.

        Readings are blurred by part of a step: where a law's step and its noise vanish, single readings would
        otherwise cost millions, and hide the way to parameters that have no such place.

        Args:
            model: parameters of the other device, and what its sketch returned beside the end; None: there is none.
            plain: a fit without the slow noise that this one has; most of its noise of steps may be slow noise.

        Returns:
            The end, and minus the log likelihood of one of the readings when they are blurred most.
        """
        steps = np.abs(self.series.steps)
        step = float(np.median(steps[steps > 0]))  # NaN, after 0 pulses, is not
        blurred = [self.replaced(blur=b * step) for b in BLURS]
        starts = [self.start(*start, noisy=noisy) for noisy in (True, False) for start in STARTS]
        if plain is not None:
            values = {name: e.value for name, e in plain.estimates.items()}
            size = max(values[NOISE], self.floor)
            starts = [
                self.adopt(values | {"c2c": part * values.get("c2c", 0.0), NOISE: size, SLOW: size, LASTS: 10.0})
                for part in (0.02, 0.2)
            ] + starts
        tried: list[End] = []
        for start in starts if model is None else [self.adopt(model[0]), starts[0], starts[len(STARTS)]]:
            end = climb(blurred[0], start, steps=TRIAL, enough=ROUGH)
            alike = any(abs(end.minus - other.minus) < ALIKE for other in tried)
            tried.append(end)
            best = min(one.minus for one in tried)
            as_good = model is not None and end.minus < (model[1] + SIMILAR) * len(self.series.readings)
            if as_good or (alike and plain is None and end.minus < best + ALIKE):
                break
        most = STEPS if model is None else TRIAL
        ends = sorted(tried, key=lambda one: one.minus)[: BEST if model is None else 1]
        ends = [climb(blurred[0], end.places, steps=most, enough=ROUGH) for end in ends]
        end = min(ends, key=lambda one: one.minus)
        level, places = end.minus / len(self.series.readings), end.places
        for problem in blurred[1:]:
            places = climb(problem, places, steps=most, enough=ROUGH).places
        return places, level

    def improved(self, start: Floats, *, polished: bool) -> tuple[Problem, End]:
        """The best fit from a start, with bounds that the readings do not show at the extreme readings.

        Args:
            start: free numbers.
            polished: whether to search to the end, or only until the bounds are decided.
        """
        problem = self
        # a bound is only judged from the best that it can do
        steps = STEPS if polished else MORE
        found = self.awake(climb(self, start, steps=steps, enough=ROUGH, secants=polished), steps=TRIAL, enough=ROUGH)
        for name, extreme in zip(("w_min", "w_max"), self._extremes(), strict=True):
            if name not in problem.names:
                continue
            without = problem.replaced(held=problem.held | {name: Estimate(extreme, None, UNREACHED)})
            other = climb(without, without.adopt(problem.values(found.places)), steps=TRIAL, enough=ROUGH)
            if other.minus < found.minus + COSTS_NOTHING:
                problem, found = without, other
        return problem, climb(problem, found.places, secants=True) if polished else found

    def awake(self, end: End, *, steps: int = STEPS, enough: float = ENOUGH) -> End:
        """The best of an end and those that are found from other noises, where one of them is next to 0.

        There the likelihood is so flat in it that a search may stay, however good a larger one would be.
        """
        values, ends = self.values(end.places), [end]
        c2c = values.get("c2c", 0.0)
        if NOISE in self.names and values[NOISE] < self.floor:
            other = values | {NOISE: AWAKE_NOISE * self.series.scatter, "c2c": c2c / 2}
            ends.append(climb(self, self.adopt(other), steps=steps, enough=enough))
        if "c2c" in self.names and c2c < ASLEEP:
            ends.append(climb(self, self.adopt(values | {"c2c": AWAKE}), steps=steps, enough=enough))
        return min(ends, key=lambda one: one.minus)

    def values(self, places: Floats) -> dict[str, float]:
        """Every parameter at these free numbers."""
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
        columns = {name: np.full(size, estimate.value) for name, estimate in self.held.items()}
        for name, interval, column in zip(self.names, self.intervals, table.T, strict=True):
            columns[name] = interval.value(column)
        fields = np.column_stack([columns[name] for name in self.fields])
        # a reading says no more than the interval that its resolution leaves
        noise = np.hypot(columns[NOISE], self.floor)
        slow = (columns[SLOW], columns[LASTS]) if self.slow else (np.zeros(size), np.ones(size))
        frames = np.column_stack([columns["w_min"], columns["w_max"], noise, *slow])
        return followed(self.step, fields, frames, self.series.readings, self.series.pulses)

    def minus(self, places: Sequence[Floats]) -> Floats:
        """Minus the log likelihood at each; infinite where the law has no value."""
        density = self.look(places)[:, 0]
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
        of e: one that the readings do not tell adds nothing.
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
        """The problem in which noises that devices share are free, and these places in it."""
        free = self.replaced(held={name: estimate for name, estimate in self.held.items() if estimate.note != COMMON})
        return free, free.follow(self, places)

    def shared_slopes(self, places: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
        """Slope (S,) and curvature (S, S) of the adjusted likelihood in the logarithms of S noises that devices share.

        The other parameters follow; the adjustment counts in the slope alone.
        """
        free, at = self.alone(places)
        scores, mine, others = free._in_logarithms(at, names)
        square = scores @ scores.T
        follow = np.linalg.lstsq(square[np.ix_(others, others)], square[np.ix_(others, mine)], rcond=None)[0]
        slope, scale = scores[mine].sum(axis=1), free._per_logarithm(at)
        for n, k in enumerate(mine):
            ahead, back = (free.shape_information(at + way * np.eye(len(at))[k] * scale[k]) for way in (ASIDE, -ASIDE))
            slope[n] -= (ahead - back) / (2 * ASIDE)
        return slope, square[np.ix_(mine, mine)] - square[np.ix_(mine, others)] @ follow

    def _per_logarithm(self, places: Floats) -> Floats:
        """How free numbers move with the logarithms of their values."""
        pairs = zip(self.intervals, places.tolist(), strict=True)
        return np.array([i.value(v) / (i.slope(v) or 1.0) for i, v in pairs], np.float64)

    def _in_logarithms(self, places: Floats, names: Sequence[str]) -> tuple[Floats, list[int], list[int]]:
        """Scores, of these parameters in their logarithms; and the places of these, and of those that follow them."""
        mine = [self.names.index(name) for name in names]
        others = [k for k, name in enumerate(self.names) if k not in mine and name not in SHARED_NAMES]
        scores = self.scores(places)
        scores[mine] *= self._per_logarithm(places)[mine][:, None]
        return scores, mine, others

    def start(self, beyond: float, shape: float, *, noisy: bool) -> Floats:
        """Free numbers of a start: steps and noise as the readings show them, shapes from the law's defaults.

        Args:
            beyond: how far bounds lie beyond the readings, in half ranges.
            shape: a factor on the defaults of the law's other fields.
            noisy: whether the scatter of steps is taken to be the readings' or the law's own.
        """
        series, values = self.series, dict(defaults(self.law))
        half = float(np.ptp(series.readings)) / 2
        up, down = (_mean_step(series, sign) for sign in (1, -1))
        step = float(np.nanmean([up, down]))
        guess = {"w_max": series.readings.max() + beyond * half, "w_min": series.readings.min() - beyond * half}
        guess |= {"dw_min": step, "up_down": up / down if up > 0 and down > 0 else 1.0}
        guess["c2c"] = 0.1 if noisy else float(np.clip(series.scatter / step, 0.05, 2.0))
        guess[NOISE] = max(series.scatter * (0.7 if noisy else 0.1), series.resolution)
        guess[SLOW], guess[LASTS] = guess[NOISE], 10.0
        named = guess.keys()
        values = {name: value if name in named else value * shape for name, value in values.items()} | guess
        return self.adopt(values)

    def answer(self, places: Floats, shared: Mapping[str, float] | None = None) -> TraceFit:
        """The fit at these free numbers, with errors.

        Args:
            places: where the search ended.
            shared: standard errors of the logarithms of noises that are held because other devices have them too.
        """
        values, wide = self.values(places), shared or {}
        slopes = np.array([i.slope(float(v)) for i, v in zip(self.intervals, places, strict=True)])
        ended = self._ended(places)
        errors = self._errors(places, ended)
        pulls = self._pulls(places, wide)
        estimates = dict(self.held)
        for name, width in wide.items():
            estimates[name] = Estimate(values[name], values[name] * width, "", values[name] * width)
        for k, (name, slope, (error, others)) in enumerate(zip(self.names, slopes, errors, strict=True)):
            note, end, pull = "", ended.get(name), float(abs(slope * pulls[k]))
            if end is not None:
                error, note = None, f"at the end of its range, {end:g}"
            elif error is None:
                together = [self.names[k] for k in others if self.names[k] != name]
                note = f"not determined by the data{' apart from ' + ', '.join(together) if together else ''}"
            whole = None if error is None else float(np.hypot(slope * error, pull))
            estimates[name] = Estimate(values[name] if end is None else end, whole, note, pull)
        density, expected, deviation = self.look([places])[0]
        return TraceFit(
            law=self.law,
            series=self.series,
            estimates={name: estimates[name] for name in self.every},
            log_likelihood=-self(places),
            count=len(self.every),
            log_density=density,
            expected=expected,
            deviation=deviation,
            problem=self,
            places=places,
        )

    def _ended(self, places: Floats) -> dict[str, float]:
        """Parameters that have reached an end of their range, with this end, if it is as likely as where they are."""
        values = self.values(places)
        pairs = zip(self.names, self.intervals, strict=True)
        ends = {name: end for name, i in pairs if (end := _end(name, i, values[name])) is not None}
        if ends:
            at_ends = self.replaced(held=self.held | {name: Estimate(end, None) for name, end in ends.items()})
            if at_ends(at_ends.adopt(values)) > self(places) + COSTS_NOTHING:
                return {}
        return ends

    def _errors(self, places: Floats, ended: Mapping[str, float]) -> list[tuple[float | None, list[int]]]:
        """Standard errors of the free numbers, those of parameters at the end of their range held; these have none."""
        values = self.values(places)
        inside = [k for k, name in enumerate(self.names) if name not in ended]
        held = {name: Estimate(values[name], None) for name in ended}
        found = standard_errors(self.replaced(held=self.held | held).minus, places[inside])
        errors: list[tuple[float | None, list[int]]] = [(None, [k]) for k in range(len(places))]
        for k, (error, others) in zip(inside, found, strict=True):
            errors[k] = (error, [inside[other] for other in others])
        return errors

    def _pulls(self, places: Floats, shared: Mapping[str, float]) -> Floats:
        """How far the free numbers follow noises that devices share, by the standard errors of their logarithms."""
        if not shared:
            return np.zeros(len(places))
        free, at = self.alone(places)
        scores, mine, others = free._in_logarithms(at, tuple(shared))
        square = scores @ scores.T
        follow = np.linalg.lstsq(square[np.ix_(others, others)], square[np.ix_(others, mine)], rcond=None)[0]
        pulls: Floats = np.hypot.reduce(follow * np.array(list(shared.values())), axis=1)
        return pulls

    def _extremes(self) -> tuple[float, float]:
        """Where a lower and an upper bound stand that the readings do not show."""
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
        low, high = self._extremes()
        middle = (low + high) / 2
        # noise carries readings beyond a bound, but not half the range beyond it
        reach = WIDEST * (high - low) if self.extrapolate else 0.0
        if name == "w_max":
            return Interval(high if still else middle, high + reach)
        return Interval(low - reach, low if still else middle)


def _slopes(density: Floats, apart: float | Floats) -> Floats:
    """Slopes from the first of some log densities to the others; 0 where one of them has no value."""
    with np.errstate(all="ignore"):
        slopes = np.nan_to_num((density[1:] - density[0]) / apart, nan=0.0, posinf=0.0, neginf=0.0)
    clipped: Floats = np.clip(slopes, -STEEPEST, STEEPEST)
    return clipped


def _end(name: str, interval: Interval, value: float) -> float | None:
    """The end of its range that a parameter has reached; c2c has where its likelihood is flat."""
    return 0.0 if name == "c2c" and value < ASLEEP else interval.end(value)


@functools.lru_cache(maxsize=256)
def _law_interval(law: type[Device], name: str) -> Interval:
    return limits(law, name)


def _held(law: type[Device], series: WeightTrace) -> dict[str, Estimate]:
    """Parameters that these data cannot tell."""
    held: dict[str, Estimate] = {}
    fields, start = used_fields(law), defaults(law)
    for sign, word in ((1, "up"), (-1, "down")):
        if not (np.sign(series.pulses) == sign).any():
            silent = [n for n in fields if n == "up_down" or (n.endswith(f"_{word}") and n != "up_down")]
            values = {name: 1.0 if name == "up_down" else start[name] for name in silent}
            end = "w_max" if sign > 0 else "w_min"
            values[end] = float(series.readings.max() if sign > 0 else series.readings.min())
            held |= {name: Estimate(value, None, f"no {word} pulses in the data") for name, value in values.items()}
    return held


def _still(law: type[Device], series: WeightTrace, beyond: bool) -> dict[str, Estimate]:
    """Those, and what is known where readings have no noise: bounds that readings repeat, or cannot pass."""
    held = {NOISE: NONE}
    apart = APART * series.resolution
    extremes = (float(series.readings.min()) - apart, float(series.readings.max()) + apart)
    for name, plateau, extreme in zip(("w_min", "w_max"), series.plateaus, extremes, strict=True):
        if plateau is not None:
            held[name] = Estimate(plateau, series.resolution, "readings repeat there")
        elif not beyond:
            held[name] = Estimate(extreme, None, UNREACHED)
    return held | _held(law, series)


def _mean_step(series: WeightTrace, sign: int) -> float:
    """Mean step of one direction, at least a thousandth of the range; NaN where there are no pulses of it."""
    steps = series.steps[np.sign(series.pulses) == sign]
    if not len(steps):
        return float("nan")
    middle = np.abs(series.readings[:-1][np.sign(series.pulses) == sign])
    inner = steps[middle <= np.quantile(middle, 0.5)]
    return max(float(inner.mean()), 1e-5 * float(np.ptp(series.readings)))
