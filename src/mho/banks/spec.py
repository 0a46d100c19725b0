"""The description of a bank: what a cell asks of one population of devices."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.devices import Device
from mho.errors import Faults
from mho.periphery import Exact, Pulses


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class BankSpec:
    """One population of devices of one law on one grid of lines.

    A weight takes `lines` pulsed devices, in as many rows of the grid, block of rows after block of rows. The bank
    makes a matrix of them: their mean, or with `reference` the device less a reference device that is programmed only,
    or with `directions` (1, -1) the first device less the second.

    Attributes:
        name: of the bank; unique in its cell. The first bank of a cell draws under the array's name, every other under
            the array's name with its own appended.
        device: law of the devices.
        update: how lines are driven when vectors update the bank.
        lines: pulsed devices of a weight, at least 1.
        reference: whether a weight has a reference device, a further row of the same population's draws.
        directions: for each of the pulsed devices of a weight the direction of the pulses that it takes part in, 1 or
            -1; it moves up at each of them. Empty: devices take part in pulses of both directions.
    """

    name: str = "devices"
    device: Device
    update: Pulses | Exact
    lines: int = 1
    reference: bool = False
    directions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        faults = Faults(f"bank {self.name!r}")
        if not self.name.isidentifier():
            faults.add(f"name is {self.name!r}; give a Python identifier")
        faults.number("lines", self.lines, low=1, integer=True)
        if self.directions not in ((), (1, -1)):
            faults.add(f"directions are {self.directions!r}; give (1, -1), or () for both directions")
        if self.directions and self.lines != 2:
            faults.add(f"lines is {self.lines}, and there are two directions; give 2")
        if self.reference and self.lines != 1:
            faults.add(f"lines is {self.lines}, and a reference belongs to one device; give 1")
        faults.raise_any()

    @property
    def devices(self) -> int:
        """Cross-points of a weight, those that are programmed only included."""
        return self.lines + self.reference

    @property
    def is_difference(self) -> bool:
        """Whether the matrix is a difference of two devices of each weight."""
        return self.reference or bool(self.directions)
