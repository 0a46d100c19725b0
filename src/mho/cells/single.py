"""One device per weight."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, final

from mho.banks import BankSpec
from mho.cells.base import Cell
from mho.cells.fixed import SETTINGS, check_reference, fixed_reference, symmetry_fault
from mho.devices import Device
from mho.errors import Faults
from mho.per_replica import Number
from mho.periphery import Exact, Pulses, Read


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Single(Cell):
    """A weight is the conductance of a device, in the paper's units, less a fixed reference (0 by default).

    Attributes:
        reference: what is subtracted from every read: "zero", or "symmetry_point" of each device, which plain pulses
            then pull weights to as W = 0.
        reference_mean: mean error of the reference, in weights.
        reference_std: standard deviation of its error, drawn for each weight, at least 0. Both may be lists of one
            number per replica.
    """

    reference: str = "zero"
    reference_mean: Number = 0.0
    reference_std: Number = 0.0
    lists: ClassVar[tuple[str, ...]] = SETTINGS

    def _check(self, faults: Faults) -> None:
        check_reference(self, faults)

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        return (BankSpec(device=device, update=update, fixed=fixed_reference(self)),)

    def averaged(self) -> int:
        return 1 if self == Single() else 0  # several devices have no reference in common

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        return symmetry_fault("reference", device) if self.reference == "symmetry_point" else None
