"""A weight as the difference of two conductances."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.banks import BankSpec
from mho.cells.base import Cell
from mho.devices import Device
from mho.periphery import Exact, Pulses, Read


@final
@dataclasses.dataclass(frozen=True)
class Referenced(Cell):
    """One weight device that is pulsed, and one reference device that is not: w = g - g_ref.

    The law moves g within the bounds of its own device, whatever w is. Reads see the difference, made of currents
    before noise and bounds. `write(w)` programs g = g_ref + w, clipped to the bounds of g. The reference starts at 0,
    where the cell is a `Single`; `write_reference` programs it, within the bounds of a device of its own.

    Source: H. Kim et al. 2019, arXiv 1907.10228; `mho.learning.zero_shift` is its procedure.
    """

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        return (BankSpec(device=device, update=update, reference=True),)

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        if not hasattr(device, "read"):
            return None
        return (
            f"{type(device).__name__} says what a read sees of a weight, which Referenced cells would do for one of "
            "their two devices only; use Single, or a law without read"
        )

    def summary(self) -> str:
        return "with a reference device per weight"
