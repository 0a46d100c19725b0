"""fit_laws: laws fitted to a measurement, in the order of how well they predict it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from mho.devices import ConstantStep, Device, ExpStep, LinearStep, PowStep, SoftBounds
from mho.errors import Faults, InvalidValue, in_words
from mho.measurements.fitting.maximum import TraceFit, fit_trace
from mho.measurements.fitting.population import Parameter, device_of, parameters_of, rescaled, unit_factor
from mho.measurements.fitting.ranking import Score, held_out, order, scores
from mho.measurements.fitting.table_devices import table_devices
from mho.measurements.fitting.untold import untold
from mho.measurements.fitting.weights import Scale, WeightTrace, scale_of, weight_trace
from mho.measurements.record import Measurement

PARAMETRIC: tuple[type[Device], ...] = (ConstantStep, SoftBounds, LinearStep, ExpStep, PowStep)
FEWEST = 10
"""Readings after a pulse that a fit needs of each device."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class LawFit:
    """A law fitted to every device of a measurement.

    Attributes:
        law: its class.
        device: what was fitted, in weights, as a description that arrays take.
        parameters: its fields and `read_noise`, over devices, in those weights.
        scale: from conductance to these weights.
        fits: one a measured device, in weights of `Fitted.scale`.
        score: how well it predicts.
        count: of its parameters.
    """

    law: type[Device]
    device: Device
    parameters: tuple[Parameter, ...]
    scale: Scale
    fits: tuple[TraceFit, ...]
    score: Score
    count: int

    @property
    def log_likelihood(self) -> float:
        """Of all readings."""
        return sum(fit.log_likelihood for fit in self.fits)

    @property
    def name(self) -> str:
        return self.law.__name__


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """What `fit_laws` found.

    Attributes:
        measurement: the data.
        scale: the map that the fits were made in: the range of all readings is ±w_max.
        traces: the data in these weights.
        laws: best first.
        tables: devices of binned steps, which are not ranked: `JumpTable` and `PiecewiseStep`, if both directions were
            measured.
        untold: what the data could not tell, a sentence each.
        spread: of step and bounds as given by the user; None if it was not.
    """

    measurement: Measurement
    scale: Scale
    traces: tuple[WeightTrace, ...]
    laws: tuple[LawFit, ...]
    tables: tuple[Device, ...]
    untold: tuple[str, ...]
    spread: float | None

    @property
    def best(self) -> LawFit:
        return self.laws[0]


@in_words
def fit_laws(
    measurement: Measurement,
    laws: Sequence[type[Device]] = PARAMETRIC,
    *,
    w_max: float = 0.6,
    spread: float | None = None,
    watch: Callable[[str], None] | None = None,
) -> Fitted:
    """Fit laws to measured pulses by maximum likelihood, and rank them by how well they predict held-out readings.

    Laws within one standard error of the best are ordered by their number of parameters. Several devices are fitted one
    by one; the spread of each parameter is what their errors do not explain.

    Args:
        measurement: the pulses.
        laws: of mho, or of your own with a default for every field.
        w_max: mean of |w_min| and |w_max| of the devices that come out; conductance is scaled to that.
        spread: relative spread of `dw_min` and the bounds from device to device; only where one device was measured.
        watch: is told what is being fitted.

    Raises:
        InvalidValue: naming every fault: too few readings, readings that never change, options out of range.
        LawError: for a law that cannot be fitted.
    """
    _check(measurement, laws, w_max, spread)
    scale = scale_of(measurement, w_max)
    traces = tuple(weight_trace(trace, scale) for trace in measurement.traces)
    found: list[tuple[TraceFit, ...]] = []
    for law in laws:
        if watch is not None:
            watch(law.__name__)
        found.append(tuple(fit_trace(law, trace) for trace in traces))
    parts = [np.concatenate([held_out(fit) for fit in fits]) for fits in found]
    ranked = scores(parts)
    counts = [fits[0].count for fits in found]
    made = []
    for place in order(ranked, counts):
        law, fits = laws[place], found[place]
        factor = unit_factor(law, fits, w_max)
        parameters = parameters_of(fits, factor)
        try:
            device = device_of(law, parameters, spread)
        except InvalidValue as error:
            raise InvalidValue(
                f"{measurement.source}: the fit of {law.__name__} makes no device ({error}). The readings do not go "
                "the way of the pulses, or only part of the range was measured: look at how the columns were read "
                f"({'; '.join(measurement.notes) or 'nothing was found out'}), or leave the law out with --law"
            ) from None
        made.append(LawFit(law, device, parameters, rescaled(scale, factor), fits, ranked[place], counts[place]))
    tables, sentences = table_devices(measurement, w_max=w_max), untold(made[0].fits, made[0].parameters)
    return Fitted(measurement, scale, traces, tuple(made), tables, tuple(sentences), spread)


def _check(measurement: Measurement, laws: Sequence[type[Device]], w_max: float, spread: float | None) -> None:
    faults = Faults(measurement.source)
    if not laws:
        faults.add("no law is given; name one, for example SoftBounds")
    faults.number("w_max", w_max, above=0.0)
    faults.number("spread", spread, low=0.0, optional=True)
    if spread is not None and len(measurement.traces) > 1:
        faults.add(f"spread is {spread!r}, and {len(measurement.traces)} devices tell it themselves; leave it out")
    for trace in measurement.traces:
        told = int((trace.pulses != 0).sum())
        if told < FEWEST:
            faults.add(f"device {trace.device} has {told} readings after a pulse; a fit needs at least {FEWEST}")
        elif not np.ptp(trace.values) > 0:
            faults.add(f"all readings of device {trace.device} are {trace.values[0]:g}: no step to fit")
        elif not np.diff(trace.values)[trace.pulses != 0].any():
            faults.add(f"no pulse changed a reading of device {trace.device}: no step to fit")
    if faults.found:
        raise InvalidValue(f"{measurement.source}: " + "; ".join(faults.found), faults.found)
