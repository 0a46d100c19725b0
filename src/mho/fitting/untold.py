"""Questions that the data of a fit leave open, in sentences for its page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mho.fitting.ends import Ends
from mho.fitting.estimate import LASTS, NOISE, SLOW, TraceFit
from mho.fitting.population import Parameter
from mho.fitting.weights import WeightTrace, ramps
from mho.measurements.record import Floats

FEW = 300
LOOSE = 0.5
"""Relative error from which a parameter counts as hardly determined."""
WANDERS = 2.0
"""c2c from which a state wanders more than it steps."""
CORRELATED = 0.1
"""Correlation of neighbouring residuals that is worth a sentence, if it is three standard errors."""
UNEVEN = 5.0
"""Standard errors by which noise in the lower half of the states differs from that in the upper half."""
TREND = 3.0
"""Standard errors of a drift that are worth one."""


def untold(fits: Sequence[TraceFit], parameters: Sequence[Parameter], ends: Ends | None) -> list[str]:
    """Sentences on what the best law's fit leaves open.

    Args:
        fits: one per device.
        parameters: over devices.
        ends: of read noise and c2c where they can hardly be told apart.
    """
    traces = [fit.series for fit in fits]
    about_data = [*_devices(fits), *_noise(fits, parameters, ends), *_slow(parameters), *_directions(traces)]
    return [*about_data, *_bounds(fits), *_weak(parameters), *_points(traces), *_residuals(fits), *_uneven(fits)]


def lag_one(residuals: Floats) -> float:
    """Return the correlation of neighbouring residuals, from -1 to 1; NaN with fewer than two pairs.

    Args:
        residuals: (n,), NaN where there is none.
    """
    a, b = residuals[1:], residuals[:-1]
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2:
        return math.nan
    a, b = a[both] - np.nanmean(residuals), b[both] - np.nanmean(residuals)
    power = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / power if power > 0 else math.nan


def _devices(fits: Sequence[TraceFit]) -> list[str]:
    if len(fits) == 1:
        series = fits[0].series
        count = len(np.unique(ramps(series.pulses)[1:][series.pulses != 0]))
        return [
            f"One device was measured ({count} ramp{'s' if count > 1 else ''}): it says nothing about how devices "
            "differ (d2d). The device file has no spread unless --spread gives one."
        ]
    error = 1 / math.sqrt(2 * (len(fits) - 1))
    return [f"Spreads come from {len(fits)} devices: each is known to about {100 * error:.0f} % of itself."]


def _noise(fits: Sequence[TraceFit], parameters: Sequence[Parameter], ends: Ends | None) -> list[str]:
    values = {p.name: p for p in parameters}
    sentences = []
    first = fits[0].values.get("dw_min", 1.0)
    factor = values["dw_min"].value / first if "dw_min" in values else 1.0
    if ends is not None:
        low, high = (f"{factor * end:.2g}" for end in ends.noise)
        sentences.append(
            f"Cycle-to-cycle noise and read noise can hardly be told apart here: any c2c from {ends.cycles[0]:.2g} to "
            f"{ends.cycles[1]:.2g}, with read noise {f'of {low}' if low == high else f'from {low} to {high}'} in "
            "weights, fits about as well (95 %). Read each state several times without a pulse, or measure more "
            "pulses, to tell them apart."
        )
    elif values[NOISE].value == 0:
        sentences.append("Readings show no noise beside the noise of the steps, down to their resolution.")
    if values[NOISE].value:
        sentences.append(
            "Write noise and read noise cannot be told apart: each state was read once after its pulse. The device "
            "file has both as write noise."
        )
    return sentences


def _slow(parameters: Sequence[Parameter]) -> list[str]:
    values = {p.name: p.value for p in parameters}
    if SLOW not in values:
        return []
    return [
        f"Readings have noise that lasts: {values[SLOW]:.2g} in weights over some {values[LASTS]:.0f} pulses (1/f or "
        "telegraph noise, or slow drift). It is neither read noise of single readings nor noise of single steps, and "
        "the device file has none of it."
    ]


def _directions(traces: Sequence[WeightTrace]) -> list[str]:
    return [
        f"There are no {word} pulses: nothing is known of steps {word}, of up_down, or of the bound on that side."
        for sign, word in ((1, "up"), (-1, "down"))
        if not any((np.sign(trace.pulses) == sign).any() for trace in traces)
    ]


def _bounds(fits: Sequence[TraceFit]) -> list[str]:
    missed = [n for n in ("w_max", "w_min") if any("not reached" in fit.estimates[n].note for fit in fits)]
    if not missed:
        return []
    are = "s were" if len(missed) > 1 else " was"
    return [f"The bound{are} not reached ({', '.join(missed)}): the extreme reading stands for it; pulse further."]


def _weak(parameters: Sequence[Parameter]) -> list[str]:
    sentences = []
    for p in parameters:
        if p.error is None and "not determined" in p.note:
            sentences.append(f"{p.name} is {p.note}.")
        elif p.error is None and "end of its range" in p.note and p.name in ("w_max", "w_min"):
            sentences.append(f"{p.name} was never reached: the fit ran into its limit, so its value is a guess.")
        elif p.error is None and "end of its range" in p.note and p.name not in (NOISE, "c2c"):
            sentences.append(f"{p.name} is {p.note}: a simpler law may do.")
        elif p.error is not None and p.name not in (NOISE, SLOW, LASTS) and p.value and p.error / abs(p.value) > LOOSE:
            sentences.append(f"{p.name} is hardly determined: {p.value:.3g} ± {p.error:.2g}.")
        if p.name == "c2c" and p.value > WANDERS:
            sentences.append(
                f"c2c is {p.value:.3g}: the state wanders by more than a step at each pulse. Read noise that lasts "
                "over several pulses (1/f, telegraph noise) looks the same, so take c2c as an upper limit."
            )
    return sentences


def _points(traces: Sequence[WeightTrace]) -> list[str]:
    sentences = []
    count = sum(int((trace.pulses != 0).sum()) for trace in traces)
    if count < FEW:
        sentences.append(f"There are few readings ({count}): similar laws can hardly be told apart.")
    gaps = sum(int((trace.pulses == 0).sum()) for trace in traces)
    if gaps:
        sentences.append(
            f"{gaps} gap{'s' if gaps > 1 else ''} between readings: what happened in them is not part of the fit."
        )
    if any((np.abs(trace.pulses) > 1).any() for trace in traces):
        sentences.append("Readings are several pulses apart: the noise of single pulses is seen only in its sum.")
    return sentences


def _residuals(fits: Sequence[TraceFit]) -> list[str]:
    sentences = []
    for fit in fits:
        left = fit.residuals[np.isfinite(fit.residuals)]
        name = f" of device {fit.series.device}" if len(fits) > 1 else ""
        lag = lag_one(fit.residuals)
        if abs(lag) > max(CORRELATED, 3 / math.sqrt(len(left))):
            sentences.append(
                f"Neighbouring residuals{name} are correlated ({lag:+.2f}): the law misses part of how steps go on."
            )
        time = np.linspace(-1, 1, len(left))
        trend = float((time * left).sum() / math.sqrt(float((time**2).sum())))
        if abs(trend) > TREND:
            sentences.append(
                f"Residuals{name} drift in time ({trend:+.1f} standard errors): the device changed while it was "
                "measured, which no law here describes."
            )
        excess = float((left**2).mean())
        if not 0.8 < excess < 1.25:
            sentences.append(
                f"Residuals{name} have variance {excess:.2f} in place of 1: noise is not as the law has it."
            )
    return sentences


def _uneven(fits: Sequence[TraceFit]) -> list[str]:
    """Return how noise grows or falls with the state, of all devices together: fits have one noise for all states."""
    halves: dict[bool, list[Floats]] = {True: [], False: []}
    for fit in fits:
        there = np.isfinite(fit.residuals)
        low = fit.series.states <= np.median(fit.series.states[there])
        for half in (True, False):
            halves[half].append(fit.residuals[there & (low == half)])
    below, above = (np.concatenate(halves[half]) for half in (True, False))
    if min(len(below), len(above)) < 2:
        return []
    sizes = [math.sqrt(float((part**2).mean())) for part in (below, above)]
    # the logarithm of a variance of n normals has the standard error √(2/n)
    apart = 2 * math.log(sizes[1] / sizes[0]) if min(sizes) > 0 else 0.0
    if abs(apart) < UNEVEN * math.sqrt(2 / len(below) + 2 / len(above)):
        return []
    way = "grows" if apart > 0 else "falls"
    return [
        f"Noise {way} with the conductance: residuals have {sizes[0]:.2g} times the deviation that the fit has in the "
        f"lower half of the states, and {sizes[1]:.2g} times in the upper half. No law here has such a noise, so read "
        "noise is a mean over the states, and c2c and the errors are those of a noise that is even."
    ]
