"""Read noise and noise of steps where readings hardly tell one from the other: both ends of what they allow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import final

import numpy as np

from mho.fitting.answer import answer
from mho.fitting.estimate import CYCLE, NOISE, Estimate, TraceFit
from mho.fitting.search import climb
from mho.fitting.starts import ROUGH
from mho.measurements.record import Floats

TOLD = 3.0
"""Standard errors from which a noise counts as determined."""
ALLOWED, WIDE = 2.0, 4.5
"""Log likelihood below the best that 95 % and 99.7 % of what is true lie within: two and three standard errors."""
BETTER = 0.5
"""Log likelihood by which a fit that a profile comes upon is better than the one that it began with."""
GRID = np.array([0.0, *np.geomspace(0.02, 4.0, 16)])
"""c2c at which the likelihood is looked up."""


@final
@dataclasses.dataclass(frozen=True)
class Ends:
    """Ends of the parameters of a fit: the range that the data of a device allow with 95 %.

    Attributes:
        cycles: (least, most) c2c.
        noise: read noise at these two, in weights of the fit.
        errors: standard errors of c2c and read noise, as a third of what 99.7 % allows.
        others: standard errors of the other parameters where c2c is one of its errors larger: at a c2c of 0 a device
            that never wanders would tell its step too well.
    """

    cycles: tuple[float, float]
    noise: tuple[float, float]
    errors: tuple[float, float]
    others: Mapping[str, float]


def noise_ends(fits: tuple[TraceFit, ...]) -> tuple[tuple[TraceFit, ...], Ends | None]:
    """Look up both ends of c2c and read noise by the profile of the likelihood.

    Returns:
        The fits, of a single device a better one if the profile came upon it; and both ends, None where both noises are
        determined by three standard errors, or read noise by bounds that readings repeat exactly; for several devices,
        whose fits have adjusted noises already; and for a law without `c2c`.
    """
    fit, noise = fits[0], fits[0].estimates[NOISE]
    repeated = any("repeat" in e.note for e in fit.estimates.values())
    if len(fits) > 1 or CYCLE not in fit.problem.names or repeated:
        return fits, None
    c2c = fit.estimates[CYCLE]
    if all(e.error is not None and e.value > TOLD * e.error for e in (noise, c2c)):
        return fits, None
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
    wide = free.replaced(held=free.held | {CYCLE: Estimate(c2c.value + errors[0], None)})
    others = answer(wide, climb(wide, wide.adopt(values), enough=ROUGH).places).estimates
    return fits, Ends(
        (inner[0][0], inner[1][0]),
        (inner[0][1], inner[1][1]),
        (errors[0], errors[1]),
        {name: e.error for name, e in others.items() if e.error is not None},
    )


def told_by(fits: tuple[TraceFit, ...], ends: Ends | None) -> tuple[TraceFit, ...]:
    """Fits of the best law; of a single device with errors of read noise and c2c that cover what the data allow.

    Args:
        fits: one per device; those of several have their errors.
        ends: what `noise_ends` found; None: c2c is determined by three standard errors, and only its likelihood is
            skew: it falls more slowly upwards, about evenly in the logarithm of c2c.
    """
    fit = fits[0]
    if ends is None:
        c2c = fit.estimates.get(CYCLE)
        if len(fits) > 1 or c2c is None or not c2c.error or c2c.value < TOLD * c2c.error:
            return fits
        error = c2c.value * math.expm1(TOLD * c2c.error / c2c.value) / TOLD
        return (dataclasses.replace(fit, estimates=fit.estimates | {CYCLE: dataclasses.replace(c2c, error=error)}),)
    changed = {
        name: dataclasses.replace(e, error=max(e.error, ends.others.get(name, 0.0)))
        for name, e in fit.estimates.items()
        if e.error is not None
    }
    for name, error in zip((CYCLE, NOISE), ends.errors, strict=True):
        estimate = fit.estimates[name]
        changed[name] = dataclasses.replace(estimate, error=max(estimate.error or 0.0, error), note="")
    return (dataclasses.replace(fit, estimates=fit.estimates | changed),)


def _crossing(sizes: Floats, minus: Floats, noises: Floats, limit: float, way: int) -> tuple[float, float]:
    """c2c and read noise where the profile leaves what is allowed, or the end of the grid."""
    k = int(np.argmin(minus))
    limit += float(minus[k])
    while 0 <= k + way < len(sizes) and minus[k + way] <= limit:
        k += way
    if not 0 <= k + way < len(sizes) or not np.isfinite(minus[k + way]):
        return float(sizes[k]), float(noises[k])
    part = (limit - minus[k]) / (minus[k + way] - minus[k])
    return tuple(float(v[k] + part * (v[k + way] - v[k])) for v in (sizes, noises))  # type: ignore[return-value]
