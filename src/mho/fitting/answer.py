"""From the end of a search to a fit: values, standard errors, and what the data do not tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mho.fitting.estimate import Estimate, TraceFit
from mho.fitting.hessian import standard_errors
from mho.fitting.parameters import Interval
from mho.fitting.problem import Problem
from mho.fitting.starts import ASLEEP, COSTS_NOTHING
from mho.measurements.record import Floats


def answer(problem: Problem, places: Floats, shared: Mapping[str, float] | None = None) -> TraceFit:
    """Return the fit at these free numbers, with errors.

    Args:
        problem: that was searched.
        places: where the search ended.
        shared: standard errors of the logarithms of noises that are held because other devices have them too.
    """
    values, wide = problem.values(places), shared or {}
    slopes = np.array([i.slope(float(v)) for i, v in zip(problem.intervals, places, strict=True)])
    ended = _ended(problem, places)
    errors = _errors(problem, places, ended)
    pulls = _pulls(problem, places, wide)
    estimates = dict(problem.held)
    for name, width in wide.items():
        estimates[name] = Estimate(values[name], values[name] * width, "", values[name] * width)
    for k, (name, slope, (error, others)) in enumerate(zip(problem.names, slopes, errors, strict=True)):
        note, end, pull = "", ended.get(name), float(abs(slope * pulls[k]))
        if end is not None:
            error, note = None, f"at the end of its range, {end:g}"
        elif error is None:
            together = [problem.names[k] for k in others if problem.names[k] != name]
            note = f"not determined by the data{' apart from ' + ', '.join(together) if together else ''}"
        whole = None if error is None else float(np.hypot(slope * error, pull))
        estimates[name] = Estimate(values[name] if end is None else end, whole, note, pull)
    density, expected, deviation = problem.look([places])[0]
    return TraceFit(
        law=problem.law,
        series=problem.series,
        estimates={name: estimates[name] for name in problem.every},
        log_likelihood=-problem(places),
        count=len(problem.every),
        log_density=density,
        expected=expected,
        deviation=deviation,
        problem=problem,
        places=places,
    )


def _ended(problem: Problem, places: Floats) -> dict[str, float]:
    """Parameters that have reached an end of their range, with this end, if it is as likely as where they are."""
    values = problem.values(places)
    pairs = zip(problem.names, problem.intervals, strict=True)
    ends = {name: end for name, i in pairs if (end := _end(name, i, values[name])) is not None}
    if ends:
        at_ends = problem.replaced(held=problem.held | {name: Estimate(end, None) for name, end in ends.items()})
        if at_ends(at_ends.adopt(values)) > problem(places) + COSTS_NOTHING:
            return {}
    return ends


def _errors(problem: Problem, places: Floats, ended: Mapping[str, float]) -> list[tuple[float | None, list[int]]]:
    """Standard errors of the free numbers, those of parameters at the end of their range held; these have none."""
    values = problem.values(places)
    inside = [k for k, name in enumerate(problem.names) if name not in ended]
    held = {name: Estimate(values[name], None) for name in ended}
    found = standard_errors(problem.replaced(held=problem.held | held).minus, places[inside])
    errors: list[tuple[float | None, list[int]]] = [(None, [k]) for k in range(len(places))]
    for k, (error, others) in zip(inside, found, strict=True):
        errors[k] = (error, [inside[other] for other in others])
    return errors


def _pulls(problem: Problem, places: Floats, shared: Mapping[str, float]) -> Floats:
    """Return how far the free numbers follow noises that devices share, by the standard errors of their logarithms."""
    if not shared:
        return np.zeros(len(places))
    free, at = problem.alone(places)
    scores, mine, others = free.in_logarithms(at, tuple(shared))
    square = scores @ scores.T
    follow = np.linalg.lstsq(square[np.ix_(others, others)], square[np.ix_(others, mine)], rcond=None)[0]
    pulls: Floats = np.hypot.reduce(follow * np.array(list(shared.values())), axis=1)
    return pulls


def _end(name: str, interval: Interval, value: float) -> float | None:
    """Return the end of its range that a parameter has reached; c2c has where its likelihood is flat."""
    return 0.0 if name == "c2c" and value < ASLEEP else interval.end(value)
