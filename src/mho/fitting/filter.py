"""The likelihood of readings under a law: an extended Kalman filter over weights that bounds clip."""

from __future__ import annotations

import collections
import functools
import math
import types
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from mho.compiler.numba_internals import NumbaError, to_fixed_tuple
from mho.errors import LawError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
FAR = 8.0
"""Standard deviations beyond which a bound is not felt: 10⁻¹⁵ of a normal lies there."""
NEAR = 1e-5
"""Part of the range over which the slope of a step is taken."""

# A law comes as a function pointer: the filter on disk knows no law, so it can run none that is stale.
Vector, Counts = numba.float64[::1], numba.int64[::1]
Rows = numba.float64[:, ::1]
STEP = numba.types.FunctionType(
    numba.types.UniTuple(numba.float64, 4)(numba.float64, numba.float64, numba.boolean, Vector)
)


@functools.lru_cache(maxsize=64)
def compiled_step(law: type, names: tuple[str, ...]) -> Any:
    """`law.pulse` in double precision as step(w, near, up, values), values in the order of `names`.

    Returns:
        A function that gives four weights after a pulse, all in one call because calls through a pointer are slow:
        from w without noise, with z = 1, with z = -1, and from `near` without noise.

    Raises:
        LawError: if Numba cannot compile the law.
    """
    record, count = collections.namedtuple("Cell", names), len(names)  # type: ignore[misc]
    pulse = _compiled(law.pulse)  # type: ignore[attr-defined]

    def step(w, near, up, values):  # type: ignore[no-untyped-def]
        cell = record(*to_fixed_tuple(values, count))
        quiet, ahead = float(pulse(w, up, cell, 0.0)), float(pulse(near, up, cell, 0.0))
        return quiet, float(pulse(w, up, cell, 1.0)), float(pulse(w, up, cell, -1.0)), ahead

    try:
        return numba.njit(STEP.signature)(step)
    except NumbaError as error:
        reason = str(error).strip().splitlines()[-1]
        raise LawError(
            f"{law.__name__}.pulse cannot be compiled in double precision, which a fit needs: {reason}; "
            f"mho device check says what a law may hold"
        ) from None


def _compiled(function: Any) -> Any:
    """Return a function of a law compiled, with the functions that it calls."""
    called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    helpers = {name: _compiled(each) for name, each in called.items() if isinstance(each, types.FunctionType)}
    if helpers:
        function = types.FunctionType(function.__code__, function.__globals__ | helpers, function.__name__)
    return numba.njit(function)


def likelihood(
    step: Any,
    values: Floats,
    bounds: tuple[float, float],
    noise: float,
    readings: Floats,
    pulses: Integers,
    *,
    slow: tuple[float, float] = (0.0, 0.0),
) -> tuple[Floats, Floats, Floats]:
    """Follow the readings of one device with a law, and say what it expects of each from those before it.

    The hidden weight h moves by the law and is clipped to its bounds after each pulse; a reading is h plus normal
    noise, which holds both write noise and read noise: single readings cannot tell the two apart. h is followed as a
    normal, whose width grows by the law's own noise at z = ±1 and by its slope; what a bound clips of it is a mass
    there, so a reading at a bound has the density of a mass seen through the noise. Without gaps, and with noise as
    small as the resolution of the readings, this is the likelihood of the steps themselves.

    Args:
        step: of `compiled_step`.
        values: of the law's fields.
        bounds: (w_min, w_max).
        noise: standard deviation of a reading, above 0.
        readings: (K,).
        pulses: (K - 1,) as a `Trace` has them; a reading after 0 pulses starts afresh.
        slow: standard deviation of noise of readings that lasts, and the pulses after which 1/e of it is left; 0 and
            any: there is none.

    Returns:
        For each reading but the first, (K - 1,): the logarithm of its density, its mean, its standard deviation;
        NaN after 0 pulses.
    """
    frame = np.array([[*bounds, noise, *slow]])
    answers = followed(step, values[None], frame, readings, pulses)
    return answers[0, 0], answers[0, 1], answers[0, 2]


def followed(step: Any, values: Floats, frames: Floats, readings: Floats, pulses: Integers) -> Floats:
    """`likelihood` of S sets of parameters in one call.

    Args:
        step: of `compiled_step`.
        values: (S, F) of the law's fields.
        frames: (S, 5): w_min, w_max, noise of a reading, and the two numbers of its slow part.
        readings: (K,).
        pulses: (K - 1,).

    Returns:
        (S, 3, K - 1): log density, mean, standard deviation.
    """
    answers = np.full((len(values), 3, len(pulses)), np.nan)
    _filter(step, np.ascontiguousarray(values), np.ascontiguousarray(frames), readings, pulses, answers)
    return answers


@numba.njit
def _normal(x: float) -> float:
    """Mass of a standard normal below x."""
    return 0.5 * math.erfc(-x * 0.7071067811865476)


@numba.njit
def _density(x: float) -> float:
    return 0.3989422804014327 * math.exp(-0.5 * x * x)


@numba.njit
def _log_density(x: float, variance: float) -> float:
    return -0.5 * (1.8378770664093453 + math.log(variance) + x * x / variance)


@numba.njit
def _clipped(mean: float, variance: float, low: float, high: float) -> tuple[float, float]:
    """Mean and variance of a normal that is clipped to [low, high]."""
    sd = math.sqrt(variance)
    if mean - low > FAR * sd and high - mean > FAR * sd:
        return mean, variance
    if sd == 0 or low - mean > FAR * sd or mean - high > FAR * sd:
        return min(max(mean, low), high), 0.0
    a, b = (low - mean) / sd, (high - mean) / sd
    below, above = _normal(a), _normal(-b)
    inside = 1 - below - above
    a, b = max(a, -2 * FAR), min(b, 2 * FAR)
    first = a * below + b * above + _density(a) - _density(b)
    second = a * a * below + b * b * above + inside + a * _density(a) - b * _density(b)
    return mean + sd * first, variance * max(second - first * first, 0.0)


@numba.njit
def _pushed(step, values, up, low, high, mean):  # type: ignore[no-untyped-def]
    """Mean after a pulse before the clip, slope of that mean, and variance of the law's own noise."""
    h = NEAR * (high - low)
    if mean + h > high:  # a law may have no value beyond its bounds
        h = -h
    quiet, above, below, ahead = step(mean, mean + h, up, values)
    noise = 0.5 * (above - below)
    return quiet, (ahead - quiet) / h, noise * noise


@numba.njit
def _seen(y, mean, variance, low, high, noise):  # type: ignore[no-untyped-def]
    """Return the log density of a reading of a clipped normal, and mean and variance of the weight after it."""
    read = noise * noise
    total = variance + read
    gain = variance / total
    middle, width = mean + gain * (y - mean), math.sqrt(gain * read)
    sd = math.sqrt(variance)
    if mean - low > FAR * sd and high - mean > FAR * sd:
        return _log_density(y - mean, total), middle, gain * read
    logs = np.full(3, -np.inf)  # the inside, and the mass at each bound
    if width > 0:
        inside = _normal((high - middle) / width) - _normal((low - middle) / width)
        if inside > 0:
            logs[0] = _log_density(y - mean, total) + math.log(inside)
    below, above = 1.0 * (mean <= low), 1.0 * (mean >= high)
    if sd > 0:
        below, above = _normal((low - mean) / sd), _normal((mean - high) / sd)
    if below > 0:
        logs[1] = math.log(below) + _log_density(y - low, read)
    if above > 0:
        logs[2] = math.log(above) + _log_density(y - high, read)
    top = logs.max()
    expected, spread = _clipped(mean, variance, low, high)
    if not top > -1e300:
        return _log_density(y - expected, spread + read), min(max(y, low), high), read
    parts = np.exp(logs - top)
    whole = parts.sum()
    parts /= whole
    first, second = _within(middle, width, low, high)
    after = parts[0] * first + parts[1] * low + parts[2] * high
    square = parts[0] * (second + (first - after) ** 2) + parts[1] * (low - after) ** 2 + parts[2] * (high - after) ** 2
    return top + math.log(whole), after, square


@numba.njit
def _within(mean, sd, low, high):  # type: ignore[no-untyped-def]
    """Mean and variance of a normal that is cut off at low and high."""
    if sd == 0:
        return min(max(mean, low), high), 0.0
    a, b = (low - mean) / sd, (high - mean) / sd
    mass = _normal(b) - _normal(a)
    if mass < 1e-12:
        return min(max(mean, low), high), 0.0
    at_a, at_b = _density(a) / mass, _density(b) / mass
    shift = at_a - at_b
    a, b = max(a, -5 * FAR), min(b, 5 * FAR)  # a density is 0 there, and 0 times infinity is not a number
    return mean + sd * shift, sd * sd * max(1 + a * at_a - b * at_b - shift * shift, 0.0)


@numba.njit
def _follow(step, values, frame, readings, pulses, answers):  # type: ignore[no-untyped-def]
    """Follow the weight (mean, variance) and the slow noise (shift, width), of covariance `joint`, over a pulse."""
    low, high, noise, slow, lasts = frame[0], frame[1], frame[2], frame[3], frame[4]
    read, level = noise * noise, slow * slow
    fade = math.exp(-1 / lasts) if level > 0 else 0.0
    mean, variance = _clipped(readings[0], read + level, low, high)
    shift, width, joint = 0.0, level, -level * math.sqrt(variance / (read + level))
    for k in range(len(pulses)):
        y = readings[k + 1]
        count = abs(pulses[k])
        if count == 0:
            mean, variance = _clipped(y, read + level, low, high)
            shift, width, joint = 0.0, level, -level * math.sqrt(variance / (read + level))
            continue
        up = pulses[k] > 0
        for number in range(count):
            mean, slope, own = _pushed(step, values, up, low, high, mean)
            variance = slope * slope * variance + own
            shift, width, joint = fade * shift, fade * fade * width + (1 - fade * fade) * level, fade * slope * joint
            if number < count - 1:
                before = variance
                mean, variance = _clipped(mean, variance, low, high)
                joint *= math.sqrt(variance / before) if before > 0 else 0.0
        # the slow noise is tie times the weight's deviation and a rest, so a reading shows 1 + tie of the weight
        tie = joint / variance if variance > 0 else 0.0
        rest = max(width - tie * joint, 0.0)
        if abs(1 + tie) < 1e-3:
            tie, rest = 0.0, width
        sight, total = 1 + tie, read + rest
        expected, spread = _clipped(mean, variance, low, high)
        answers[1, k] = expected + shift + tie * (expected - mean)
        answers[2, k] = math.sqrt(sight * sight * spread + total)
        seen = (y - shift + tie * mean) / sight
        density, after, variance = _seen(seen, mean, variance, low, high, math.sqrt(total) / abs(sight))
        answers[0, k] = density - math.log(abs(sight))
        after = min(max(after, low), high)  # an outlier, or rounding, may have moved it out
        share = rest / total
        shift += tie * (after - mean)
        shift += share * (y - after - shift)
        tie -= share * sight
        width, joint = tie * tie * variance + rest * (1 - share), tie * variance
        mean = after


@numba.njit(
    numba.void(STEP, Rows, Rows, Vector, Counts, numba.float64[:, :, ::1]),
    cache=True,
)
def _filter(step, values, frames, readings, pulses, answers):  # type: ignore[no-untyped-def]
    for s in range(len(values)):
        _follow(step, values[s], frames[s], readings, pulses, answers[s])
