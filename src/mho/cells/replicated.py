"""Multi-device mapping."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.banks import BankSpec
from mho.cells.base import Cell
from mho.devices import Device
from mho.errors import Faults
from mho.periphery import Exact, Pulses


@final
@dataclasses.dataclass(frozen=True)
class Replicated(Cell):
    """A weight is the mean of n devices, in n rows of one array (Gokmen 2017, multi-device mapping).

    Forward: n·M outputs, each with its own noise and bound, averaged digitally. Backward: δ drives
    all rows, one noise and one bound on the sum, divided by n. Update: a column's train is shared by
    all copies, each copy has its own row train and takes the full step η.

    Attributes:
        n: devices per weight, 1 to 1024.
    """

    n: int

    def _check(self, faults: Faults) -> None:
        faults.number("n", self.n, low=1, high=1024, integer=True)

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        return (BankSpec(device=device, update=update, lines=self.n),)

    def averaged(self) -> int:
        return self.n

    def summary(self) -> str:
        return f"with {self.n} devices per weight"
