"""Fit of a law to a device: its parameters with their errors, and how it follows the readings."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, final

from mho.devices import Device
from mho.fitting.weights import ReadingNoise, WeightTrace
from mho.measurements.record import Floats

if TYPE_CHECKING:  # which imports this file
    from mho.fitting.problem import Problem

NOISE = "read_noise"
"""Name of the standard deviation of readings among the parameters of a fit."""
CYCLE = "c2c"
"""Name of the noise of steps among them."""
SLOW, LASTS = "slow_noise", "slow_pulses"
"""Names of the standard deviation of noise that lasts, and of the pulses after which 1/e of it is left."""
NOISES = (NOISE, CYCLE, SLOW, LASTS)
"""Parameters that the mean steps do not depend on."""
SHARED_NAMES = (NOISE, CYCLE)
"""Those that devices share."""
COMMON = "common to all devices"
"""Note of a noise that is held because devices share it."""


@final
@dataclasses.dataclass(frozen=True)
class Estimate:
    """A parameter as fitted.

    Attributes:
        value: in the law's own units.
        error: its standard error; None where the data do not determine it, or where it was not fitted.
        note: why it has no error, or where it comes from; empty for an ordinary estimate.
        shared: the part of the error that all devices share, as it comes from their common read noise.
    """

    value: float
    error: float | None
    note: str = ""
    shared: float = 0.0


NONE = Estimate(0.0, None, "none shows: it is at the end of its range, 0")
UNREACHED = "the bound was not reached: the extreme reading stands for it"


@final
@dataclasses.dataclass(frozen=True, eq=False)
class TraceFit:
    """A law as fitted to one device.

    Attributes:
        law: its class.
        series: what it was fitted to.
        estimates: every field that pulses depend on, and `read_noise`; with slow noise its two numbers.
        log_likelihood: of the readings that were fitted.
        count: of the law's parameters and the noise of readings, whether or not the data tell them.
        log_density: (K - 1,) of each reading given those before it; NaN after a gap.
        expected: (K - 1,) mean of each reading given those before it.
        deviation: (K - 1,) its standard deviation.
        problem: what was searched, for another search.
        places: where the search ended.
    """

    law: type[Device]
    series: WeightTrace
    estimates: dict[str, Estimate]
    log_likelihood: float
    count: int
    log_density: Floats
    expected: Floats
    deviation: Floats
    problem: Problem
    places: Floats

    @property
    def residuals(self) -> Floats:
        """Standardised: reading less its mean, over its standard deviation, (K - 1,); NaN after a gap."""
        residuals: Floats = (self.series.readings[1:] - self.expected) / self.deviation
        return residuals

    @property
    def values(self) -> dict[str, float]:
        """Fields of the law, without noise of readings."""
        return {name: self.estimates[name].value for name in self.problem.fields}

    @property
    def noise(self) -> ReadingNoise:
        """Noise of readings."""
        size = {name: self.estimates[name].value for name in (NOISE, SLOW, LASTS) if name in self.estimates}
        return ReadingNoise(size[NOISE], size.get(SLOW, 0.0), size.get(LASTS, 1.0))
