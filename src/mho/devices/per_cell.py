"""A device parameter that every cell draws for itself."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.errors import Faults, InvalidValue, WrongCall, in_words, nearest
from mho.per_replica import Number, check_lists

DISTRIBUTIONS = ("normal", "lognormal", "uniform", "bernoulli")
WIDEST_UNIFORM = 1 / math.sqrt(3)
"""Relative spread at which a uniform draw reaches 0."""


@dataclasses.dataclass(frozen=True)
class PerCell:
    """A mean, and how far devices differ from it: relative (`spread`) or absolute (`std`).

    A cell draws, z standard normal, m the mean and s the spread or std/|m|:

    - normal: with `spread` |m(1 + s z)| with the sign of m (PHYSICS of Gokmen 2017, Table 1); with `std` m + std·z,
      for parameters whose mean may be 0;
    - lognormal: m·exp(σz - σ²/2), σ² = ln(1 + s²), which keeps the sign of m;
    - uniform: even between m - √3·s·|m| and m + √3·s·|m|;
    - bernoulli: 1 with the probability m, else 0; it has neither spread nor std.

    m and s·|m| are the mean and the standard deviation of all three; a normal draw with `spread` is folded at 0, which
    shifts them noticeably from s = 0.5 on. Mean, spread and std may be lists of one number per replica.

    What is wrong with the values is noted in `faults`; the law or effect of which this is a field raises it under the
    field's name.
    """

    mean: float
    spread: float = 0.0
    std: float = 0.0
    distribution: str = "normal"

    def __post_init__(self) -> None:
        faults = Faults("per_cell")
        if not check_lists(self, faults, ("mean", "spread", "std")):
            self._check(faults)
        object.__setattr__(self, "_faults", tuple(faults.found))

    @property
    def faults(self) -> tuple[str, ...]:
        """Return what is wrong with the values, a sentence each; () if nothing is."""
        found: tuple[str, ...] = self.__dict__["_faults"]
        return found

    def _check(self, faults: Faults) -> None:
        faults.number("mean", self.mean)
        if faults.number("spread", self.spread, low=0.0) and faults.number("std", self.std, low=0.0):
            if self.spread > 0 and self.std > 0:
                faults.add("spread and std are both given; give spread (relative) or std (absolute)")
            if self.spread > 0 and self.mean == 0:
                faults.add("spread is relative and the mean is 0: it has no effect; give std instead")
        if isinstance(self.mean, float) and math.isinf(self.mean) and (self.spread or self.std):
            faults.add("an infinite mean cannot have a spread")
        self._check_distribution(faults)

    def _check_distribution(self, faults: Faults) -> None:
        if self.distribution not in DISTRIBUTIONS:
            faults.add(f"no distribution {self.distribution!r}{nearest(str(self.distribution), DISTRIBUTIONS)}")
        if faults.found:
            return
        if self.distribution == "bernoulli":
            faults.number("mean of a bernoulli distribution", self.mean, low=0.0, high=1.0)
            if self.spread or self.std:
                faults.add("a bernoulli distribution has no spread and no std; leave them out")
        if self.distribution == "lognormal" and self.mean == 0:
            faults.add("a lognormal distribution has no mean 0; give another mean, or distribution normal or uniform")
        if self.distribution == "uniform" and self.spread > WIDEST_UNIFORM:
            faults.add(
                f"spread is {self.spread:g}: a uniform distribution wider than 0.577 (1/√3) would change the sign of "
                "the parameter; give at most 0.577, or distribution lognormal, or std if the sign may change"
            )

    @property
    def varies(self) -> bool:
        """Return True if devices differ in this parameter; else it takes no memory per device."""
        kinds = (self.mean,) if self.distribution == "bernoulli" else (self.spread, self.std)
        return any(np.any(np.array(kind) > 0) for kind in kinds)

    def draw(self, z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return values (float32, the shape of z) for standard normals z.

        Raises:
            InvalidValue: naming the faults.
        """
        if self.faults:
            raise InvalidValue("per_cell: " + "; ".join(self.faults), self.faults)
        if self.distribution == "lognormal":
            relative = self.std / abs(self.mean) if self.std > 0 else self.spread
            sigma = math.sqrt(math.log1p(relative**2))
            return (self.mean * np.exp(sigma * z.astype(np.float64) - sigma**2 / 2)).astype(np.float32)
        if self.distribution in ("uniform", "bernoulli"):
            from scipy.special import ndtr  # a quarter of a second to import

            if self.distribution == "bernoulli":
                return (ndtr(z.astype(np.float64)) < self.mean).astype(np.float32)
            half = math.sqrt(3) * (self.std if self.std > 0 else self.spread * abs(self.mean))
            return (self.mean + half * (2 * ndtr(z.astype(np.float64)) - 1)).astype(np.float32)
        if self.std > 0:
            return (self.mean + self.std * z).astype(np.float32)
        drawn: npt.NDArray[np.float32] = np.copysign(np.abs(self.mean * (1.0 + self.spread * z)), self.mean)
        return drawn.astype(np.float32)


@in_words
def per_cell(
    mean: Number | None = None,
    *,
    spread: Number = 0.0,
    std: Number = 0.0,
    distribution: str = "normal",
    values: Any = None,
) -> Any:
    """Declare a field of a law that differs from device to device.

    Args:
        mean: the nominal value; like spread and std a number, or a list of one per replica. With `values` their mean,
            unless it is given.
        spread: relative standard deviation, at least 0; at most 0.577 for a uniform distribution.
        std: absolute standard deviation, at least 0; use it where the mean is 0.
        distribution: "normal", "lognormal" (not for mean 0), "uniform" or "bernoulli" (mean: a probability).
        values: in place of a distribution, the value of every cell, for example a measured map: an array or a tensor
            (out, in), for a weight of several devices (devices, out, in), a reference last, or (R, devices, out, in).
            The array that is made of the device must have this shape; `in` counts the bias of a layer, as last column.

    A negative spread, both kinds at once, a distribution that cannot have these, and lists of different lengths are
    errors of the law or effect that gets it, which names its field.

    Raises:
        InvalidValue: for values that are no such array, or not finite.
        WrongCall: without mean and values.
    """
    if values is not None:
        from mho.devices.measured_cells import measured_cells  # it is a kind of PerCell

        return measured_cells(mean, values, spread, std, distribution)
    if mean is None:
        raise WrongCall("per_cell: mean is missing; give mean=..., or values=... with a number for every cell")
    return PerCell(mean, spread, std, distribution)  # type: ignore[arg-type]
