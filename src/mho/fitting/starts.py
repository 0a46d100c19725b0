"""Searches for the best fit of a law to a device: where they begin, and how they come to the best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mho.devices import Device
from mho.fitting.estimate import LASTS, NOISE, NONE, SLOW, UNREACHED, Estimate, TraceFit
from mho.fitting.parameters import defaults, used_fields
from mho.fitting.problem import APART, Problem
from mho.fitting.search import ENOUGH, STEPS, End, climb
from mho.fitting.weights import WeightTrace
from mho.measurements.record import Floats

STARTS = ((0.03, 1.0), (0.5, 0.4), (0.03, 0.05))
"""Where searches begin: how far bounds lie beyond the readings, in half ranges, and a factor on the law's shapes."""
TRIAL, BEST = 10, 3
"""Steps from each start, and how many of the best ends are gone on from."""
ALIKE = 0.01
"""Log likelihood within which two starts have found the same maximum; then others are not tried."""
LOST = 10.0
"""Gain in log likelihood from which the end of another search is taken: a search so far behind was lost, and blurred
readings do not decide between ends that are nearer."""
MORE = 20
"""Steps that decide which bounds were reached."""
SIMILAR = 1.0
"""Log likelihood of a reading within which a device is as well fitted as the device before it."""
ROUGH = 0.01
"""Promised gain in log likelihood that ends a search on the way to the best."""
BLURS = (0.3, 0.03, 0.003)
"""Parts of the median step that readings are blurred by on the way to the best."""
COSTS_NOTHING = 0.5
"""Log likelihood that is not missed where a bound is put at the extreme reading."""
ASLEEP, AWAKE, AWAKE_NOISE = 0.02, 0.2, 0.4
"""c2c that is next to 0; c2c, and read noise over the scatter of steps, at which another search begins."""


def sketch(
    problem: Problem, model: tuple[Mapping[str, float], float] | None, plain: TraceFit | None
) -> tuple[Floats, float]:
    """Return the best end of short searches from several starts, or from the fit to another device if it fits as well.

    Readings are blurred by part of a step: where a law's step and its noise vanish, single readings would
    otherwise cost millions, and hide the way to parameters that have no such place.

    Args:
        problem: whose maximum is searched for.
        model: parameters of the other device, and what its sketch returned beside the end; None: there is none.
        plain: a fit without the slow noise of this problem; most of its noise of steps may be slow noise.

    Returns:
        The end, and minus the log likelihood of one of the readings when they are blurred most.
    """
    steps = np.abs(problem.series.steps)
    step = float(np.median(steps[steps > 0]))  # NaN, after 0 pulses, is not
    blurred = [problem.replaced(blur=b * step) for b in BLURS]
    starts = [begin(problem, *start, noisy=noisy) for noisy in (True, False) for start in STARTS]
    if plain is not None:
        values = {name: e.value for name, e in plain.estimates.items()}
        size = max(values[NOISE], problem.floor)
        starts = [
            problem.adopt(values | {"c2c": part * values.get("c2c", 0.0), NOISE: size, SLOW: size, LASTS: 10.0})
            for part in (0.02, 0.2)
        ] + starts
    tried: list[End] = []
    for start in starts if model is None else [problem.adopt(model[0]), starts[0], starts[len(STARTS)]]:
        end = climb(blurred[0], start, steps=TRIAL, enough=ROUGH)
        alike = any(abs(end.minus - other.minus) < ALIKE for other in tried)
        tried.append(end)
        best = min(one.minus for one in tried)
        as_good = model is not None and end.minus < (model[1] + SIMILAR) * len(problem.series.readings)
        if as_good or (alike and plain is None and end.minus < best + ALIKE):
            break
    most = STEPS if model is None else TRIAL
    ends = sorted(tried, key=lambda one: one.minus)[: BEST if model is None else 1]
    ends = [climb(blurred[0], end.places, steps=most, enough=ROUGH) for end in ends]
    end = min(ends, key=lambda one: one.minus)
    if model is None:
        end = _rescued(blurred[0], end)
    level, places = end.minus / len(problem.series.readings), end.places
    for problem in blurred[1:]:
        places = climb(problem, places, steps=most, enough=ROUGH).places
    return places, level


def _rescued(problem: Problem, end: End) -> End:
    """Return the end of a search, or, where it was lost, the end of a search with one direction's shapes for both.

    A shape of one direction may have run to an end of its range, where the other shapes of this direction change
    nothing: there a search stays.
    """
    values, ends = problem.values(end.places), [end]
    pairs = [(n, n.removesuffix("_up") + "_down") for n in values if n.endswith("_up")]
    for source, target in ((0, 1), (1, 0)):
        same = {pair[target]: values[pair[source]] for pair in pairs if pair[target] in values}
        if same:
            ends.append(climb(problem, problem.adopt(values | same), steps=STEPS, enough=ROUGH))
    best = min(ends, key=lambda one: one.minus)
    return best if best.minus < end.minus - LOST else end


def improved(problem: Problem, start: Floats, *, polished: bool) -> tuple[Problem, End]:
    """Return the best fit from a start, with bounds that the readings do not show at the extreme readings.

    Args:
        problem: whose maximum is searched for.
        start: free numbers.
        polished: whether to search to the end, or only until the bounds are decided.
    """
    # a bound is only judged from the best that it can do
    steps = STEPS if polished else MORE
    found = awake(
        problem, climb(problem, start, steps=steps, enough=ROUGH, secants=polished), steps=TRIAL, enough=ROUGH
    )
    for name, extreme in zip(("w_min", "w_max"), problem.extremes(), strict=True):
        if name not in problem.names:
            continue
        without = problem.replaced(held=problem.held | {name: Estimate(extreme, None, UNREACHED)})
        other = climb(without, without.adopt(problem.values(found.places)), steps=TRIAL, enough=ROUGH)
        if other.minus < found.minus + COSTS_NOTHING:
            problem, found = without, other
    return problem, climb(problem, found.places, secants=True) if polished else found


def awake(problem: Problem, end: End, *, steps: int = STEPS, enough: float = ENOUGH) -> End:
    """Return the best of an end and those that are found from other noises, where one of them is next to 0.

    There the likelihood is so flat in it that a search may stay, however good a larger noise would be.
    """
    values, ends = problem.values(end.places), [end]
    c2c = values.get("c2c", 0.0)
    if NOISE in problem.names and values[NOISE] < problem.floor:
        other = values | {NOISE: AWAKE_NOISE * problem.series.scatter, "c2c": c2c / 2}
        ends.append(climb(problem, problem.adopt(other), steps=steps, enough=enough))
    if "c2c" in problem.names and c2c < ASLEEP:
        ends.append(climb(problem, problem.adopt(values | {"c2c": AWAKE}), steps=steps, enough=enough))
    return min(ends, key=lambda one: one.minus)


def begin(problem: Problem, beyond: float, shape: float, *, noisy: bool) -> Floats:
    """Free numbers of a start: steps and noise as the readings show them, shapes from the law's defaults.

    Args:
        problem: that is searched.
        beyond: how far bounds lie beyond the readings, in half ranges.
        shape: a factor on the defaults of the law's other fields.
        noisy: whether the scatter of steps is taken to be the readings' or the law's own.
    """
    series, values = problem.series, dict(defaults(problem.law))
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
    return problem.adopt(values)


def held_silent(law: type[Device], series: WeightTrace) -> dict[str, Estimate]:
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


def held_noiseless(law: type[Device], series: WeightTrace, beyond: bool) -> dict[str, Estimate]:
    """Return held parameters, with bounds that noiseless readings repeat or cannot pass."""
    held = {NOISE: NONE}
    apart = APART * series.resolution
    extremes = (float(series.readings.min()) - apart, float(series.readings.max()) + apart)
    for name, plateau, extreme in zip(("w_min", "w_max"), series.plateaus, extremes, strict=True):
        if plateau is not None:
            held[name] = Estimate(plateau, series.resolution, "readings repeat there")
        elif not beyond:
            held[name] = Estimate(extreme, None, UNREACHED)
    return held | held_silent(law, series)


def _mean_step(series: WeightTrace, sign: int) -> float:
    """Mean step of one direction in the middle of the range; NaN where there are no pulses of it.

    Where noise is many steps large, it decides which readings lie in the middle, and their steps are those of the
    noise: then the mean of all steps, at which noise cancels, is the least.
    """
    steps = series.steps[np.sign(series.pulses) == sign]
    if not len(steps):
        return float("nan")
    middle = np.abs(series.readings[:-1][np.sign(series.pulses) == sign])
    inner = steps[middle <= np.quantile(middle, 0.5)]
    least = 1e-5 * float(np.ptp(series.readings))
    if series.scatter > float(inner.mean()) * len(inner) ** 0.5:
        least = max(least, float(steps.mean()))
    return max(float(inner.mean()), least)
