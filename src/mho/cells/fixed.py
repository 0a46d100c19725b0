"""Fixed references of cells: their settings, checked and turned into what a bank needs."""

from __future__ import annotations

import math
from typing import Protocol

from mho.banks import FixedReference
from mho.banks.spec import check_place
from mho.devices import Device
from mho.errors import Faults
from mho.per_replica import Number, lengths, of_replica

SETTINGS = ("reference_mean", "reference_std")
"""Settings that may be lists of one number per replica."""


class WithReference(Protocol):
    """A cell whose reads of a bank subtract a reference."""

    @property
    def reference(self) -> str:
        """Position of the reference: "zero" or "symmetry_point"."""

    @property
    def reference_mean(self) -> Number:
        """Mean of its error."""

    @property
    def reference_std(self) -> Number:
        """Standard deviation of its error."""


def check_reference(cell: WithReference, faults: Faults) -> None:
    """Note what is wrong with the settings of a reference, of one replica."""
    check_place("reference", cell.reference, faults)
    faults.number("reference_mean", cell.reference_mean)
    faults.number("reference_std", cell.reference_std, low=0.0)


def fixed_reference(cell: WithReference) -> FixedReference | None:
    """Return what the bank subtracts; None for a reference of 0 without an error."""
    return fixed_at(cell.reference, cell.reference_mean, cell.reference_std)


def fixed_at(place: str, mean: Number = 0.0, std: Number = 0.0) -> FixedReference | None:
    """Return a reference at a place with an error; None for 0 without an error."""
    made = FixedReference(at=place, mean=mean, std=std)
    return None if made == FixedReference(at="zero") else made


def symmetry_fault(setting: str, device: Device) -> str | None:
    """Return why the reference of a bank cannot stand at the symmetry point of its device; None if it can."""
    cure = f"take a law such as SoftBounds, or {setting}='zero'"
    if not device.pulse_driven:
        return f"{setting}='symmetry_point', and {type(device).__name__} takes no pulses; {cure}"
    replicas = next(iter(lengths(device).values()), 1)
    if not any(math.isnan(float(of_replica(device, r).symmetry_point())) for r in range(replicas)):
        return None
    return (
        f"{setting}='symmetry_point', and {type(device).__name__} has none: no single state in which a step up and a "
        f"step down cancel; {cure}"
    )
