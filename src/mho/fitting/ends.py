"""Read noise and noise of steps where readings hardly tell them apart: both ends of what they allow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mho.fitting.answer import answer
from mho.fitting.estimate import COMMON, CYCLE, NOISE, Estimate, TraceFit
from mho.fitting.search import End, climb
from mho.fitting.shared import REACH, share
from mho.fitting.starts import ROUGH
from mho.measurements.record import Floats

TOLD = 3.0
"""Standard errors from which a noise counts as determined."""
ALLOWED, WIDE = 2.0, 4.5
"""Log likelihood below the best that 95 % and 99.7 % of what is true lie within: two and three standard errors."""
BETTER = 0.5
"""Log likelihood by which a fit that a profile comes upon is better than the fit that it began with."""
LOOSE = 0.15
"""Standard error of the logarithm of a shared c2c from which both ends are looked up: three are a factor of 1.6."""
GRID = np.array([0.0, *np.geomspace(0.02, 4.0, 16)])
"""c2c at which the likelihood is looked up."""


@final
@dataclasses.dataclass(frozen=True)
class Ends:
    """Ends of the parameters of a fit: the range that the data allow with 95 %.

    Attributes:
        cycles: (least, most) c2c.
        noise: read noise at these two, in weights of the fit.
        errors: standard errors of c2c and read noise, as a third of what 99.7 % allows.
        others: standard errors of the other parameters at the largest of these c2c: at a c2c of 0 a device that never
            wanders would tell its step too well.
    """

    cycles: tuple[float, float]
    noise: tuple[float, float]
    errors: tuple[float, float]
    others: Mapping[str, float]

    def leave_open(self, fits: Sequence[TraceFit]) -> bool:
        """Return whether one of the two noises may be 0: it lies within three errors, or no noise was found."""
        estimates = fits[0].estimates
        pairs = zip((CYCLE, NOISE), self.errors, strict=True)
        return min(self.noise) == 0 or any(estimates[name].value <= TOLD * error for name, error in pairs)


def noise_ends(fits: tuple[TraceFit, ...]) -> tuple[tuple[TraceFit, ...], Ends | None]:
    """Look up both ends of c2c and read noise by the profile of the likelihood.

    Returns:
        The fits, of a single device a better fit if the profile came upon it; and both ends, None where both noises are
        determined by three standard errors, those of several devices to a factor, or read noise by bounds that readings
        repeat exactly; and for a law without `c2c`.
    """
    fit, noise = fits[0], fits[0].estimates[NOISE]
    repeated = any("repeat" in e.note for e in fit.estimates.values())
    if len(fits) > 1:
        return fits, _shared_ends(fits)
    if CYCLE not in fit.problem.names or repeated:
        return fits, None
    c2c = fit.estimates[CYCLE]
    if all(e.error is not None and e.value > TOLD * e.error for e in (noise, c2c)):
        return _reaching_none(fit)
    free = fit.problem.replaced(held={name: e for name, e in fit.problem.held.items() if name != NOISE})
    values = fit.problem.values(fit.places)
    values[NOISE] = max(values[NOISE], free.floor)
    sizes, best = np.unique([*GRID, c2c.value]), (free(free.adopt(values)), values)
    begin = int(np.flatnonzero(sizes == c2c.value)[0])
    minus, noises = np.full(len(sizes), np.inf), np.full(len(sizes), np.nan)
    for ways in (range(begin, len(sizes)), range(begin - 1, -1, -1)):
        near = values
        for k in ways:
            held = free.replaced(held=free.held | {CYCLE: Estimate(float(sizes[k]), None)})
            end = climb(held, held.adopt(near), enough=ROUGH)
            near = held.values(end.places)
            best = min(best, (end.minus, near), key=lambda one: one[0])
            minus[k], noises[k] = end.minus + held.shape_information(end.places), near[NOISE]
            if minus[k] > minus.min() + 2 * WIDE:
                break
    if best[0] < -fit.log_likelihood - BETTER:
        better = answer(free, climb(free, free.adopt(best[1])).places)
        return noise_ends((better,)) if better.log_likelihood > fit.log_likelihood + BETTER else (fits, None)
    crossings = [[_crossing(sizes, minus, noises, limit, way) for way in (-1, 1)] for limit in (ALLOWED, WIDE)]
    own = (c2c.value, noise.value)
    # the ends are those of a likelihood that is adjusted, and the fit is among what the data allow
    inner, outer = ([min(low, own), max(high, own)] for low, high in crossings)
    errors = [max(abs(end[k] - e.value) / 3 for end in outer) for k, e in enumerate((c2c, noise))]
    wide = free.replaced(held=free.held | {CYCLE: Estimate(inner[1][0], None)})
    others = answer(wide, climb(wide, wide.adopt(values), enough=ROUGH).places).estimates
    return fits, Ends(
        (inner[0][0], inner[1][0]),
        (inner[0][1], inner[1][1]),
        (errors[0], errors[1]),
        {name: e.error for name, e in others.items() if e.error is not None},
    )


def _reaching_none(fit: TraceFit) -> tuple[tuple[TraceFit, ...], Ends | None]:
    """Widen the errors of read noise and c2c where readings without noise are as likely as three errors allow.

    Near 0 the likelihood is not the parabola that standard errors come from: it is flat in read noise there.
    """
    values, problem = fit.problem.values(fit.places), fit.problem
    silent = problem.replaced(held=problem.held | {NOISE: Estimate(problem.floor, None)})
    end = climb(silent, silent.adopt(values), enough=ROUGH)
    # adjusted, as the profile and shared noises are: without noise the steps wander more and tell their law less
    told = silent.shape_information(end.places) - problem.shape_information(fit.places)
    missed = end.minus + fit.log_likelihood + told
    if missed > WIDE:
        return (fit,), None
    c2c, noise, without = fit.estimates[CYCLE], fit.estimates[NOISE], silent.values(end.places)[CYCLE]
    errors = (max(c2c.error or 0.0, abs(without - c2c.value) / REACH), max(noise.error or 0.0, noise.value / REACH))
    if missed < ALLOWED:
        least = max(c2c.value - 2 * errors[0], 0.0)
        return (fit,), Ends((least, max(without, c2c.value)), (noise.value + 2 * errors[1], 0.0), errors, {})
    wide = {
        name: dataclasses.replace(e, error=w) for name, e, w in zip((CYCLE, NOISE), (c2c, noise), errors, strict=True)
    }
    return (dataclasses.replace(fit, estimates=fit.estimates | wide),), None


def _shared_ends(fits: tuple[TraceFit, ...]) -> Ends | None:
    """Look up both ends of the c2c and read noise that several devices share, by the adjusted likelihood of all."""
    held, c2c, noise = fits[0].problem.held, fits[0].estimates.get(CYCLE), fits[0].estimates[NOISE]
    if c2c is None or any(name not in held or held[name].note != COMMON for name in (CYCLE, NOISE)):
        return None
    if c2c.shared < LOOSE * c2c.value:
        return None
    sizes = np.unique([*GRID, c2c.value])
    begin = int(np.flatnonzero(sizes == c2c.value)[0])
    minus, noises = np.full(len(sizes), np.inf), np.full(len(sizes), np.nan)
    for ways in (range(begin, len(sizes)), range(begin - 1, -1, -1)):
        near, level = [(fit.problem, End(fit.places, -fit.log_likelihood)) for fit in fits], noise.value
        for k in ways:
            found = share(near, {CYCLE: float(sizes[k]), NOISE: level}, (NOISE,))
            near, level = found.fits, found.sizes[NOISE]
            minus[k], noises[k] = found.minus, level
            if minus[k] > minus.min() + 2 * WIDE:
                break
    own = (c2c.value, noise.value)
    crossings = [[_crossing(sizes, minus, noises, limit, way) for way in (-1, 1)] for limit in (ALLOWED, WIDE)]
    inner, outer = ([min(low, own), max(high, own)] for low, high in crossings)
    errors = [max(abs(end[k] - e.value) / 3 for end in outer) for k, e in enumerate((c2c, noise))]
    return Ends((inner[0][0], inner[1][0]), (inner[0][1], inner[1][1]), (errors[0], errors[1]), {})


def told_by(fits: tuple[TraceFit, ...], ends: Ends | None) -> tuple[TraceFit, ...]:
    """Return the fits of the best law, with errors of read noise and c2c that cover what the data allow.

    Args:
        fits: one per device.
        ends: what `noise_ends` found; None: c2c is determined by three standard errors, and only its likelihood is
            skew: it falls more slowly upwards, about evenly in the logarithm of c2c.
    """
    if ends is None:
        return tuple(_skew(fit) for fit in fits)
    return tuple(_covering(fit, ends) for fit in fits)


def _skew(fit: TraceFit) -> TraceFit:
    """Return the fit with an error of c2c that reaches as far upwards as three errors of its logarithm."""
    c2c = fit.estimates.get(CYCLE)
    if c2c is None or not c2c.error or c2c.value < TOLD * c2c.error:
        return fit
    error = c2c.value * math.expm1(TOLD * c2c.error / c2c.value) / TOLD
    wider = dataclasses.replace(c2c, error=error, shared=error if c2c.shared else 0.0)
    return dataclasses.replace(fit, estimates=fit.estimates | {CYCLE: wider})


def _covering(fit: TraceFit, ends: Ends) -> TraceFit:
    """Return the fit with errors that cover what the data allow."""
    changed = {
        name: dataclasses.replace(e, error=max(e.error, ends.others.get(name, 0.0)))
        for name, e in fit.estimates.items()
        if e.error is not None
    }
    for name, error in zip((CYCLE, NOISE), ends.errors, strict=True):
        estimate = fit.estimates[name]
        wide = max(estimate.error or 0.0, error)
        shared = wide if estimate.shared else 0.0
        changed[name] = dataclasses.replace(estimate, error=wide, note="", shared=shared)
    return dataclasses.replace(fit, estimates=fit.estimates | changed)


def _crossing(sizes: Floats, minus: Floats, noises: Floats, limit: float, way: int) -> tuple[float, float]:
    """c2c and read noise where the profile leaves what is allowed, or the end of the grid."""
    k = int(np.argmin(minus))
    least, root = float(minus[k]), math.sqrt(limit)
    limit += least
    while 0 <= k + way < len(sizes) and minus[k + way] <= limit:
        k += way
    if not 0 <= k + way < len(sizes) or not np.isfinite(minus[k + way]):
        return float(sizes[k]), float(noises[k])
    # the root of what a parabola loses is a straight line
    near, far = (math.sqrt(max(float(minus[place]) - least, 0.0)) for place in (k, k + way))
    part = (root - near) / (far - near)
    return tuple(float(v[k] + part * (v[k + way] - v[k])) for v in (sizes, noises))  # type: ignore[return-value]
