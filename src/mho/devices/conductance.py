"""Map from the weights of a device to conductances."""

from __future__ import annotations

import dataclasses
from typing import Any, final

from mho.errors import Faults, InvalidValue, InWords

SIEMENS = {"S": 1.0, "mS": 1e-3, "uS": 1e-6, "µS": 1e-6, "μS": 1e-6, "nS": 1e-9, "pS": 1e-12, "fS": 1e-15}
"""Units of conductance, with what each is in siemens; the two signs for micro are two letters."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Conductance(metaclass=InWords):
    """Map from the weight of a device to its conductance: g = zero + unit·w.

    It changes nothing that an array computes: files, tables, figures and exports use it.

    Attributes:
        zero: g of w = 0, in `name`.
        unit: g of one unit of weight, above 0.
        name: unit of measurement: S, mS, uS (µS), nS, pS or fS; or of another quantity, as "A" or "a.u.", where
            conductance is not known.

    Raises:
        InvalidValue: naming every value out of range.
    """

    zero: float
    unit: float
    name: str = "S"

    def __post_init__(self) -> None:
        faults = Faults("conductance")
        faults.number("zero", self.zero, low=-1e300, high=1e300)
        faults.number("unit", self.unit, above=0.0, high=1e300)
        if not isinstance(self.name, str) or not self.name.strip():
            faults.add(f"name is {self.name!r}; give a unit of measurement, for example 'S' or 'uS'")
        elif self.name not in SIEMENS and self.name.lower() in {unit.lower() for unit in SIEMENS}:
            faults.add(f"name is {self.name!r}; units of conductance are {', '.join(SIEMENS)}, in these letters")
        faults.raise_any()

    def of(self, weights: Any) -> Any:
        """Return the g of weights, numbers or arrays, in `name`."""
        return self.zero + self.unit * weights

    def weights(self, conductances: Any) -> Any:
        """Return the weights of g in `name`, numbers or arrays."""
        return (conductances - self.zero) / self.unit

    def siemens(self) -> Conductance:
        """Return this map in siemens.

        Raises:
            InvalidValue: where `name` is no unit of conductance.
        """
        if self.name not in SIEMENS:
            raise InvalidValue(
                f"the device's conductance is given in {self.name!r}, which is no unit of conductance; give zero and "
                f"unit in one of {', '.join(SIEMENS)} (currents over the voltage of the read)"
            )
        factor = SIEMENS[self.name]
        return Conductance(zero=self.zero * factor, unit=self.unit * factor)

    def for_axes(self) -> Conductance:
        """Return this map in µS, or as it is where `name` is no unit of conductance."""
        if self.name not in SIEMENS:
            return self
        in_siemens = self.siemens()
        return Conductance(zero=in_siemens.zero * 1e6, unit=in_siemens.unit * 1e6, name="µS")
