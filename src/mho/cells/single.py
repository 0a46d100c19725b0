"""One cross-point per weight."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.banks import BankSpec
from mho.cells.base import Cell
from mho.devices import Device
from mho.periphery import Exact, Pulses


@final
@dataclasses.dataclass(frozen=True)
class Single(Cell):
    """One device is one weight."""

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        return (BankSpec(device=device, update=update),)
