"""One law fitted to one device, or to several with the same read noise, by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mho.devices import Device
from mho.fitting.answer import answer
from mho.fitting.estimate import NOISE, TraceFit
from mho.fitting.parameters import shapes_bounds
from mho.fitting.problem import Problem
from mho.fitting.search import End, climb
from mho.fitting.shared import together
from mho.fitting.starts import held_noiseless, held_silent, improved, sketch
from mho.fitting.weights import WeightTrace

SAME = 3.0
"""Log likelihood of a device that such a faint noise may gain without being taken: a reading beside a bound does it."""
LEAST = 4.0
"""Where read noise is above so many of these parts, and no bound is repeated, that it is 0 is not tried."""
MAYBE, WIDE = 0.4, 4.5
"""Read noise of several devices over the scatter of steps below which it may be none, and the log likelihood, beside
what a reading beside a bound gains each device, within which three standard errors of it reach 0."""
BEHIND = 0.5
"""Log likelihood per reading by which a device that is behind the median of all was lost by its search: the scatter
over devices is a tenth of this for 64 readings."""


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
        traces: one per device.
        extrapolate: whether every bound may lie beyond the readings; else only those that shape the law's steps.
        slow_from: fits without noise that lasts over readings, to which such noise is to be added; None: there is none.

    Raises:
        LawError: for a law that cannot be fitted.
    """
    frees: list[Problem] = []
    noisy, beyond = [], extrapolate or shapes_bounds(law)
    alone = len(traces) == 1
    model: tuple[Mapping[str, float], float] | None = None
    slow = slow_from is not None
    for number, series in enumerate(traces):
        free = Problem(law, series, held_silent(law, series), extrapolate=beyond, slow=slow)
        start, level = sketch(free, model, None if slow_from is None else slow_from[number])
        problem, end = improved(free, start, polished=alone)
        model = (problem.values(end.places), level)
        frees.append(free)
        noisy.append((problem, end))
    noisy = _recovered(frees, noisy)
    best = together(noisy)
    repeated = [series.plateaus != (None, None) for series in traces]
    common = best.sizes.get(NOISE, math.inf)
    if all(
        again or faint(*fit) or common < MAYBE * fit[0].series.scatter
        for again, fit in zip(repeated, noisy, strict=True)
    ):
        quiet, stills = [], []
        for series, again, (problem, end) in zip(traces, repeated, noisy, strict=True):
            still = Problem(law, series, held_noiseless(law, series, beyond), extrapolate=beyond, slow=slow)
            start = sketch(still, None, None)[0] if again else still.adopt(problem.values(end.places))
            stills.append(still)
            quiet.append(improved(still, start, polished=True))
        without, slack = together(_recovered(stills, quiet)), SAME * len(traces)
        missed = without.minus - best.minus
        if missed <= (slack if all(faint(*fit) for fit in noisy) else 0.0):
            best = without
        elif best.errors and missed < slack + WIDE:
            best = best.reaching(without)
    if alone:
        return tuple(answer(problem, end.places) for problem, end in best.fits)
    ends = [(problem, climb(problem, end.places)) for problem, end in best.fits]
    return tuple(answer(problem, end.places, best.errors) for problem, end in ends)


def _recovered(problems: Sequence[Problem], found: list[tuple[Problem, End]]) -> list[tuple[Problem, End]]:
    """Return the fits, with those that are far behind the others searched once more, from the best of all."""
    levels = [end.minus / len(problem.series.readings) for problem, end in found]
    best_problem, best_end = found[int(np.argmin(levels))]
    values, usual, better = best_problem.values(best_end.places), float(np.median(levels)), list(found)
    for k, level in enumerate(levels):
        if level > usual + BEHIND:
            other = improved(problems[k], problems[k].adopt(values), polished=True)
            better[k] = min(found[k], other, key=lambda one: one[1].minus)
    return better


def faint(problem: Problem, end: End) -> bool:
    """Return True if read noise is so small that it may be 0."""
    return problem.values(end.places)[NOISE] < LEAST * problem.floor
