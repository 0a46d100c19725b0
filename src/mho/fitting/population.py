"""One device description from fits to one or several measured devices."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from scipy.optimize import brentq

from mho.devices import Device, PerCell
from mho.fitting.estimate import LASTS, NOISE, SLOW, Estimate, TraceFit
from mho.fitting.weights import Scale
from mho.measurements.record import Floats

LENGTHS = ("dw_min", "w_max", "w_min", NOISE, SLOW)
"""Parameters that are weights, and grow with their unit."""
SPREAD = ("dw_min", "w_max", "w_min")
"""Parameters that a spread given by the user belongs to."""
DIGITS = 6
SMALLEST = 1e-9
"""Standard error that a member of a population has at least, in parts of the largest value: weights stay finite."""


@final
@dataclasses.dataclass(frozen=True)
class Parameter:
    """A field over all devices.

    Attributes:
        name: of the field, or `read_noise`.
        value: mean over devices.
        error: standard error of the mean; None where the data do not determine it.
        spread: relative standard deviation over devices less what the errors explain; None for one device.
        note: as that of an `Estimate`.
    """

    name: str
    value: float
    error: float | None
    spread: float | None
    note: str


def parameters_of(fits: Sequence[TraceFit], factor: float = 1.0) -> tuple[Parameter, ...]:
    """Return the mean and the spread of parameters over devices, with weights made `factor` times as large."""
    return tuple(
        _over_devices(name, [fit.estimates[name] for fit in fits], factor if name in LENGTHS else 1.0)
        for name in fits[0].estimates
    )


def device_of(law: type[Device], parameters: Sequence[Parameter], spread: float | None) -> Device:
    """Return the device of these parameters.

    Args:
        law: its class.
        parameters: of `parameters_of`.
        spread: relative spread of step and bounds where devices did not tell it; None: none.
    """
    fields: dict[str, Any] = {}
    own = {field.name: field.default for field in dataclasses.fields(law)}
    for parameter in parameters:
        value = float(f"{parameter.value:.{DIGITS}g}")
        if parameter.name == NOISE:
            # a reading of an array has noise of its own; what is measured here stays until the next pulse
            fields["write_noise"] = value
            continue
        if parameter.name in (SLOW, LASTS):
            continue  # no device has noise that lasts over pulses
        wide = parameter.spread
        if wide is None and parameter.name in SPREAD:
            wide = spread
        fields[parameter.name] = value
        if wide and isinstance(own[parameter.name], PerCell):
            fields[parameter.name] = PerCell(value, spread=float(f"{wide:.3g}"))
    return law(**fields)


def unit_factor(law: type[Device], fits: Sequence[TraceFit], w_max: float, bounds: tuple[float, float]) -> float:
    """Return the factor of weights with which the mean of the bounds' sizes is `w_max`; 1 if a law forbids it."""
    if not _scales(law, fits[0].values):
        return 1.0
    return w_max / float(np.mean(np.abs(bounds)))


def rescaled(scale: Scale, factor: float) -> Scale:
    """Return the map from conductance when weights are `factor` times as large."""
    return Scale(scale.zero, scale.unit / factor)


def _scales(law: type[Device], values: dict[str, float]) -> bool:
    """Return True if twice the bounds and twice the step make twice the weight, as in laws of mho."""
    twice = {name: 2 * value if name in LENGTHS else value for name, value in values.items()}
    one, two = (types.SimpleNamespace(**v) for v in (values, twice))
    for w in np.linspace(values["w_min"], values["w_max"], 7)[1:-1]:
        for up in (True, False):
            for z in (0.0, 1.0):
                once, again = law.pulse(float(w), up, one, z), law.pulse(2 * float(w), up, two, z)
                if not math.isclose(2 * once, again, rel_tol=1e-6, abs_tol=1e-9):
                    return False
    return True


def _over_devices(name: str, found: Sequence[Estimate], factor: float) -> Parameter:
    if len(found) == 1:
        only = found[0]
        error = None if only.error is None else only.error * factor
        return Parameter(name, only.value * factor, error, None, only.note)
    # noise or a slope of 0 is a value; a bound at the end of its range is a guess
    ends = name not in ("w_max", "w_min")
    ended = [e for e in found if e.error is not None or (ends and "end of its range" in e.note)]
    used = ended or found
    values = np.array([e.value for e in used]) * factor
    determined = [e for e in found if e.error is not None]
    some = f"determined by {len(determined)} of {len(found)} devices; "
    note = "" if len(determined) == len(found) else some + _note(found)
    if len(determined) < 2:
        error = determined[0].error if determined else None
        return Parameter(name, float(values.mean()), None if error is None else error * factor, None, note)
    shared = float(np.mean([e.shared for e in used])) * factor
    own = np.array([math.nan if e.error is None else math.sqrt(max(e.error**2 - e.shared**2, 0.0)) for e in used])
    # a value at the end of its range counts as much as others do
    mean, error, std = random_effects(values, np.where(np.isnan(own), np.nanmedian(own), own) * factor)
    return Parameter(name, mean, math.hypot(error, shared), std / abs(mean) if mean else None, note)


def random_effects(values: Floats, errors: Floats) -> tuple[float, float, float]:
    """Return the mean of a population, its standard error, and the standard deviation of what its members truly are.

    A member counts by 1/(s² + e²), its own error e and the deviation s of all, so that one whose parameters have run up
    together, with errors that say so, does not move the mean. s is where Σ (v - mean)²/(s² + e²) is what it is on the
    average, the number of members less one.

    Args:
        values: of two members or more, (N,).
        errors: standard errors, at least 0, (N,).

    Source: Paule and Mandel 1982, J. Res. Natl. Bur. Stand. 87:377.
    """

    size = float(np.abs(values).max()) or 1.0  # of the order of 1, no square overflows
    v, own = values / size, np.maximum(errors / size, SMALLEST) ** 2

    def excess(variance: float) -> float:
        w = 1.0 / (variance + own)
        return float(w @ (v - np.average(v, weights=w)) ** 2) - (len(v) - 1)

    most = float(v.var(ddof=1))
    variance = brentq(excess, 0.0, most) if excess(0.0) > 0 else 0.0
    w = 1.0 / (variance + own)
    return size * float(np.average(v, weights=w)), size / math.sqrt(w.sum()), size * math.sqrt(variance)


def _note(found: Sequence[Estimate]) -> str:
    return next(e.note for e in found if e.error is None)
