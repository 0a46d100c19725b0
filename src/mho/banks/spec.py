"""Description of a bank: the population of devices that a cell needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import final

from mho.compiler.hooks import Hooks
from mho.devices import Device
from mho.errors import Faults
from mho.per_replica import Number, check_lists
from mho.periphery import Exact, Pulses

PLACES = ("symmetry_point", "zero")
"""Where fixed references stand."""


def check_place(setting: str, place: str, faults: Faults) -> None:
    """Note a fault unless a fixed reference can stand at this place."""
    faults.choice(setting, place, PLACES)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedReference:
    """Numbers that every read of a bank subtracts, one for each weight, with an error that is drawn once.

    The reference is taken for stored exactly; what it was set with is wrong by the error.

    Attributes:
        at: "symmetry_point", that of each device, or "zero".
        mean: mean of the error, in weights.
        std: standard deviation of the error, at least 0, in weights. Both may be lists of one number per replica.

    Source: M. J. Rasch et al., Nat. Commun. 15:7133 (2024): r = SP + N(μ_R, σ_R).
    """

    at: str = "symmetry_point"
    mean: Number = 0.0
    std: Number = 0.0

    def __post_init__(self) -> None:
        faults = Faults("FixedReference")
        if not check_lists(self, faults, ("mean", "std")):
            check_place("at", self.at, faults)
            faults.number("mean", self.mean)
            faults.number("std", self.std, low=0.0)
        faults.raise_any()


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class BankSpec:
    """One population of devices of one law on one grid of lines.

    A weight takes `lines` pulsed devices, in as many rows of the grid, block of rows after block of rows. The bank
    makes a matrix of them: their mean, or with `reference` the device less a reference device that is programmed only,
    or with `difference` the first device less the second, or with `fixed` the device less numbers that stay.

    Attributes:
        name: name of the bank; unique in its cell. The first bank of a cell draws under the array's name, every other
            under the array's name with its own appended.
        device: law of the devices.
        update: how lines are driven when vectors update the bank.
        lines: pulsed devices of a weight, at least 1.
        reference: whether a weight has a reference device, a further row of the same population's draws.
        difference: whether the matrix is the first of two pulsed devices less the second.
        fixed: numbers that reads subtract; None: nothing.
        hooks: further sources of the kernels, beside the effects of the device.
        line_fields: values of the hooks' fields for each of the pulsed devices of a weight.
    """

    name: str = "devices"
    device: Device
    update: Pulses | Exact
    lines: int = 1
    reference: bool = False
    difference: bool = False
    fixed: FixedReference | None = None
    hooks: tuple[type[Hooks], ...] = ()
    line_fields: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = Faults(f"bank {self.name!r}")
        if not self.name.isidentifier():
            faults.add(f"name is {self.name!r}; give a Python identifier")
        faults.number("lines", self.lines, low=1, integer=True)
        if self.difference and self.lines != 2:
            faults.add(f"lines is {self.lines}, and a difference is of two devices; give 2")
        faults.found += [
            f"line_fields[{name!r}] has {len(values)} values for {self.lines} lines; give one for each"
            for name, values in self.line_fields.items()
            if len(values) != self.lines
        ]
        if (self.reference or self.fixed) and self.lines != 1:
            faults.add(f"lines is {self.lines}, and a reference belongs to one device; give 1")
        if self.reference and self.fixed:
            faults.add("reference and fixed are two references of one device; give one of them")
        faults.raise_any()

    @property
    def devices(self) -> int:
        """Return the number of cross-points of a weight, those that are programmed only included."""
        return self.lines + self.reference

    @property
    def is_difference(self) -> bool:
        """Return True if a weight is the difference of two devices, one of which may be a reference."""
        return self.reference or self.difference

    @property
    def one_way(self) -> bool:
        """Return True if devices respond to pulses of one direction only."""
        return any(hasattr(hook, "accepts_pulse") for hook in self.hooks)
