"""fit_laws: laws fitted to a measurement, in the order of how well they predict it."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mho.devices import ConstantStep, Device, ExpStep, LinearStep, PowStep, SoftBounds
from mho.devices.doubts import per_cent
from mho.devices.symmetry import quiet_step
from mho.errors import Faults, InvalidValue, in_words, shown
from mho.fitting.ends import noise_ends, told_by
from mho.fitting.estimate import TraceFit
from mho.fitting.line import misses
from mho.fitting.match import Judged, Match, TableFit, match_law, match_tables, verdict
from mho.fitting.maximum import faint, fit_devices
from mho.fitting.parameters import evaluates
from mho.fitting.population import Parameter, device_of, parameters_of, rescaled, unit_factor
from mho.fitting.progress import Progress, Watch
from mho.fitting.ranking import Profile, Score, at_one_noise, order, scores
from mho.fitting.replay import CELLS, FEW
from mho.fitting.search import End
from mho.fitting.untold import untold
from mho.fitting.weights import Scale, WeightTrace, scale_of, weight_trace
from mho.fitting.within import reaches, within
from mho.fitting.worth import Worth, hard_to_train, worth_of
from mho.measurements.record import Measurement
from mho.measurements.units import conductance, readable

PARAMETRIC: tuple[type[Device], ...] = (ConstantStep, SoftBounds, LinearStep, ExpStep, PowStep)
MOST = 200_000
"""Pulses of a device that a fit follows."""
FEWEST = 10
"""Readings after a pulse that a fit needs of each device."""
LASTING = 300
"""Readings of a device from which noise that lasts over several of them is looked for."""
AWAY = 0.05
"""Largest step on the measured range over the nominal step of a law whose parameters have run away."""
DRAWN = 2
"""Laws whose simulated readings are drawn; the others are only judged."""
WORTH, WORTH_OF_WALK = 5.0, 3.0
"""Log likelihood that each of its two numbers must gain in each device; the second where steps would otherwise have to
be noisier than they are large. With 3, one of some 300 simulated devices lost its c2c to a noise that it had not."""


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
        match: how near simulated devices come to the measured ones.
        count: of its parameters.
        restated: how the device differs from the law as fitted, a sentence each.
    """

    law: type[Device]
    device: Device
    parameters: tuple[Parameter, ...]
    scale: Scale
    fits: tuple[TraceFit, ...]
    score: Score
    match: Match
    count: int
    restated: tuple[str, ...] = ()

    @property
    def log_likelihood(self) -> float:
        """Return the log-likelihood of all readings of all devices under the law, in nats."""
        return sum(fit.log_likelihood for fit in self.fits)

    @property
    def name(self) -> str:
        """Return the name of the law's class, for example "SoftBounds"."""
        return self.law.__name__


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """Result of `fit_laws`.

    Attributes:
        measurement: the data.
        scale: the map that the fits were made in: the measured range of all devices is ±w_max.
        traces: the data in these weights.
        laws: best first.
        tables: devices of binned steps, which are not ranked by prediction: `JumpTable` and `PiecewiseStep`, if both
            directions were measured.
        untold: what the data could not tell, a sentence each.
        spread: of step and bounds as given by the user; None if it was not.
    """

    measurement: Measurement
    scale: Scale
    traces: tuple[WeightTrace, ...]
    laws: tuple[LawFit, ...]
    tables: tuple[TableFit, ...]
    untold: tuple[str, ...]
    spread: float | None

    @property
    def best(self) -> LawFit:
        """Return the fit of the law that ranks first in `laws`."""
        return self.laws[0]

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Return laws, best first, and tables of steps, which are judged by the same match."""
        return *self.laws, *self.tables

    @functools.cached_property
    def worth(self) -> Worth:
        """Return the numbers of the best law's device that training depends on."""
        directions = {int(sign) for trace in self.traces for sign in np.sign(trace.pulses) if sign}
        return worth_of(self.best.device, both=directions == {1, -1})

    @property
    def verdict(self) -> str:
        """Return how near the best law's simulated devices come to the measured ones, and what comes nearer."""
        return verdict(self.best, self.judged[1:])

    @property
    def shown_unit(self) -> tuple[float, str]:
        """Return the factor and the unit in which readings are shown: µS in place of 10⁻⁶ S."""
        return readable(max(float(np.abs(t.values).max()) for t in self.measurement.traces), self.measurement.unit)


@in_words
def fit_laws(
    measurement: Measurement,
    laws: Sequence[type[Device]] = PARAMETRIC,
    *,
    w_max: float = 0.6,
    spread: float | None = None,
    extrapolate: bool = False,
    watch: Watch | None = None,
) -> Fitted:
    """Fit laws to measured pulses by maximum likelihood, and rank them by how well they predict unseen readings.

    Laws within one standard error of the best are ordered by their number of parameters. Several devices have one read
    noise and one c2c, and are otherwise fitted one by one; the spread of each parameter is what their errors do not
    explain. A law that has no finite value where its fit ends, or whose parameters run away, is left out, which
    `Fitted.untold` says. Every law is then simulated on the measured pulses, beside the readings (`LawFit.match`).

    Args:
        measurement: the pulses.
        laws: of mho, or of your own with a default for every field.
        w_max: the measured range becomes ±w_max; where a law's bounds were reached, the mean of |w_min| and |w_max|.
        spread: relative spread of `dw_min` and the bounds from device to device; only where one device was measured.
        extrapolate: whether devices get bounds beyond the measured range, as the law has them. False: a device ends
            where the measurement does, and is restated (`within`) if its law's bounds lie farther out.
        watch: called with the work in progress, the parts that are done, and the number of parts.

    Raises:
        InvalidValue: naming every fault: too few readings, readings that never change, options out of range; or no law
            could be evaluated.
        LawError: for a law that cannot be fitted.
    """
    _check(measurement, laws, w_max, spread)
    scale = scale_of(measurement, w_max)
    traces = tuple(weight_trace(trace, scale) for trace in measurement.traces)
    progress = Progress(watch, 3 * len(laws) + 2)
    found, lost = _fits(laws, traces, extrapolate, progress)
    if not found:
        raise InvalidValue(f"{measurement.source}: {' '.join(lost)} Give another --law")
    profiles = []
    for law, fits in found.items():
        progress(f"ranking {law.__name__}")
        profiles.append(Profile(fits))
    marks, counts = scores(at_one_noise(profiles), len(traces)), [fits[0].count for fits in found.values()]
    places = order(marks, counts)
    progress("checking the best law")
    chosen = list(found)[places[0]]
    found[chosen], ends = noise_ends(found[chosen])
    found[chosen] = told_by(found[chosen], ends)
    made = []
    for place, k in enumerate(places):
        law = list(found)[k]
        progress(f"simulating {law.__name__}")
        made.append(
            _law_fit(
                measurement,
                law,
                found[law],
                marks[k],
                w_max=w_max,
                spread=spread,
                extrapolate=extrapolate,
                scale=scale,
                cells=CELLS if place < DRAWN else FEW,
            )
        )
    progress("simulating tables of steps")
    tables = match_tables(traces, made[0].fits[0].noise, conductance(scale.zero, scale.unit, measurement.unit))
    sentences = [
        *lost,
        *untold(made[0].fits, made[0].parameters, ends if ends and ends.leave_open(made[0].fits) else None),
        *misses(made[0].fits),
        *made[0].restated,
        *hard_to_train(made[0].device),
        *([per_cent("the spread given", spread, "of the mean")] if spread is not None and spread > 1 else ()),
    ]
    progress.end()
    return Fitted(measurement, scale, traces, tuple(made), tables, tuple(sentences), spread)


def _fits(
    laws: Sequence[type[Device]], traces: Sequence[WeightTrace], extrapolate: bool, progress: Progress
) -> tuple[dict[type[Device], tuple[TraceFit, ...]], list[str]]:
    """Return every law's fits, with noise that lasts if the best of them says so, and why laws are left out."""
    found: dict[type[Device], tuple[TraceFit, ...]] = {}
    for law in laws:
        progress(f"fitting {law.__name__}")
        found[law] = fit_devices(law, traces, extrapolate=extrapolate)
    good = {law: fits for law, fits in found.items() if all(evaluates(law, fit.values) for fit in fits)}
    lost = [
        f"{law.__name__} is left out: it cannot be evaluated where its fit ends." for law in found if law not in good
    ]
    ran = [law for law, fits in good.items() if any(runs_away(fit) for fit in fits)]
    if len(ran) < len(good):
        lost += [
            f"{law.__name__} is left out: on these data its parameters run away, to steps that are small differences "
            "of large numbers; another law says the same."
            for law in ran
        ]
        good = {law: fits for law, fits in good.items() if law not in ran}
    noisy = any(not faint(fit.problem, End(fit.places, 0.0)) for fits in good.values() for fit in fits)
    if noisy and min(len(trace.readings) for trace in traces) >= LASTING:
        progress.more(len(good))
        slow = {}
        for law, fits in good.items():
            progress(f"fitting {law.__name__} with noise that lasts")
            slow[law] = fit_devices(law, traces, extrapolate=extrapolate, slow_from=fits)
        plain, best = _best(good), _best(slow)
        walks = np.mean([fit.values.get("c2c", 0.0) for fit in plain]) > 1
        gained = sum(fit.log_likelihood for fit in best) - sum(fit.log_likelihood for fit in plain)
        if gained > (WORTH_OF_WALK if walks else WORTH) * 2 * len(traces):
            return slow, lost
    return good, lost


def runs_away(fit: TraceFit) -> bool:
    """Return True if a law's steps on the measured range are tiny parts of its nominal step."""
    nominal = fit.values.get("dw_min")
    if nominal is None:
        return False
    cell = types.SimpleNamespace(**fit.values)
    # a law may have no value beyond its bounds
    places = np.clip(np.linspace(*fit.series.range, 9), cell.w_min, cell.w_max)
    steps = [abs(quiet_step(fit.law, float(w), up, cell)) for w in places for up in (True, False)]
    return max(steps) < AWAY * nominal


def _best(found: Mapping[type[Device], Sequence[TraceFit]]) -> Sequence[TraceFit]:
    """Return the fits of the law under which the readings are the most likely."""
    return max(found.values(), key=lambda fits: sum(fit.log_likelihood for fit in fits))


def _law_fit(
    measurement: Measurement,
    law: type[Device],
    fits: tuple[TraceFit, ...],
    score: Score,
    *,
    w_max: float,
    spread: float | None,
    extrapolate: bool,
    scale: Scale,
    cells: int,
) -> LawFit:
    """Return the device that fits make, in weights in which its range is ±w_max."""
    means = {p.name: p.value for p in parameters_of(fits)}
    bounds = (means["w_min"], means["w_max"])
    measured = tuple(float(np.mean([fit.series.range[k] for fit in fits])) for k in (0, 1))
    beyond = not extrapolate and not reaches(bounds, (measured[0], measured[1]))
    ends = (max(bounds[0], measured[0]), min(bounds[1], measured[1])) if beyond else bounds
    factor = unit_factor(law, fits, w_max, ends)
    parameters, sentences = parameters_of(fits, factor), []
    try:
        device = device_of(law, parameters, spread)
        if beyond:
            ranges = np.array([np.ptp(fit.series.range) for fit in fits])
            wide = float(ranges.std(ddof=1) / ranges.mean()) if len(fits) > 1 else spread
            device = within(device, (ends[0] * factor, ends[1] * factor), wide)
            sentences = [_beyond(law, device, bounds, (measured[0], measured[1]))]
    except InvalidValue as error:
        raise InvalidValue(
            f"{measurement.source}: the fit of {law.__name__} makes no device ({error}). The readings do not go "
            "the way of the pulses, or only part of the range was measured: look at how the columns were read "
            f"({'; '.join(measurement.notes) or 'nothing was found out'}), or leave the law out with --law"
        ) from None
    scale = rescaled(scale, factor)
    device = dataclasses.replace(device, conductance=conductance(scale.zero, scale.unit, measurement.unit))
    match = match_law(fits, within=beyond, cells=cells)
    return LawFit(law, device, parameters, scale, fits, score, match, fits[0].count, tuple(sentences))


def _beyond(law: type[Device], device: Device, bounds: tuple[float, float], measured: tuple[float, float]) -> str:
    far = max(bounds[1] - measured[1], measured[0] - bounds[0]) / (measured[1] - measured[0])
    return (
        f"{law.__name__} has its bounds up to {100 * far:.0f} % of the measured range beyond it: nobody has seen the "
        f"device there, so the device file ends where the measurement does, and is a {type(device).__name__} of the "
        "same steps. Pulse further, or take the extrapolated bounds with --extrapolate."
    )


def _check(measurement: Measurement, laws: Sequence[type[Device]], w_max: float, spread: float | None) -> None:
    if not isinstance(measurement, Measurement):
        raise InvalidValue(
            f"measurement is {shown(measurement)}; give what mho.measurements.read_pulses returned for a file"
        )
    faults = Faults(measurement.source)
    if not laws:
        faults.add("no law is given; name one, for example SoftBounds")
    faults.number("w_max", w_max, above=0.0)
    faults.number("spread", spread, low=0.0, optional=True)
    if spread is not None and len(measurement.traces) > 1:
        faults.add(f"spread is {spread!r}, and {len(measurement.traces)} devices show it themselves; leave it out")
    for trace in measurement.traces:
        sent = int(np.abs(trace.pulses.astype(np.int64)).sum())
        if sent > MOST:
            faults.add(
                f"device {trace.device} got {sent:,} pulses, and a fit follows each of them; give at most {MOST:,}: "
                "leave out readings that follow many pulses, or count trains of pulses in place of pulses"
            )
        readings = int((trace.pulses != 0).sum())
        if readings < FEWEST:
            faults.add(f"device {trace.device} has {readings} readings after a pulse; a fit needs at least {FEWEST}")
        elif not np.ptp(trace.values) > 0:
            faults.add(f"all readings of device {trace.device} are {trace.values[0]:g}: no step to fit")
        elif not np.diff(trace.values)[trace.pulses != 0].any():
            faults.add(f"no pulse changed a reading of device {trace.device}: no step to fit")
    if faults.found:
        raise InvalidValue(f"{measurement.source}: " + "; ".join(faults.found), faults.found)
