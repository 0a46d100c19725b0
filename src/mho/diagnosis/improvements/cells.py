"""Other cells on the same devices: more devices per weight, a shifted zero, another learning rule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import final

from mho.cells import AGAD, Cell, MixedPrecision, Referenced, Replicated, Single, TikiTaka
from mho.diagnosis.improvements.base import Improvement, NotApplicable, Setup
from mho.learning import ZeroShifting

DEVICES_PER_WEIGHT, SHIFT = 4, 2000
"""Devices in place of one; pulses that take devices to their symmetry points."""


@final
@dataclasses.dataclass(frozen=True)
class MoreDevices(Improvement):
    """Four times as many devices per weight, whose mean is the weight."""

    key: str = "more-devices"
    name: str = f"{DEVICES_PER_WEIGHT} times as many devices per weight"

    def apply(self, setup: Setup) -> Setup:
        cell = setup.rpu.cell
        if not cell.averaged():
            raise NotApplicable(f"{type(cell).__name__} cells fix the number of devices per weight")
        return dataclasses.replace(setup, rpu=setup.rpu.replace(cell=Replicated(DEVICES_PER_WEIGHT * cell.averaged())))


@final
@dataclasses.dataclass(frozen=True)
class ShiftedZero(Improvement):
    """A reference device per weight that holds the symmetry point of the weight's device."""

    key: str = "zero-shifting"
    name: str = f"zero-shifting with {SHIFT:,} pulses"

    def apply(self, setup: Setup) -> Setup:
        if setup.rpu.cell not in (Single(), Referenced()):
            raise NotApplicable(f"the cells are {type(setup.rpu.cell).__name__}")
        if setup.zero_shifting is not None:
            raise NotApplicable("the zero is shifted")
        if not setup.rpu.device.pulse_driven or math.isnan(float(setup.rpu.device.symmetry_point())):
            raise NotApplicable("the device has no symmetry point")
        return Setup(setup.rpu.replace(cell=Referenced()), ZeroShifting(pulses=SHIFT))


@final
@dataclasses.dataclass(frozen=True)
class OtherRule(Improvement):
    """Another learning rule, with the defaults of its cell.

    Attributes:
        cell: makes the cell.
    """

    key: str
    name: str
    cell: Callable[[], Cell]

    def apply(self, setup: Setup) -> Setup:
        if not setup.rpu.device.pulse_driven:
            raise NotApplicable("updates are exact")
        cell = self.cell()
        if type(cell) is type(setup.rpu.cell):
            raise NotApplicable(f"the cells are {type(cell).__name__}")
        return Setup(setup.rpu.replace(cell=cell))


CELLS: tuple[Improvement, ...] = (
    MoreDevices(),
    ShiftedZero(),
    OtherRule("tiki_taka_v2", "the learning rule tiki_taka_v2", TikiTaka),
    OtherRule("agad", "the learning rule agad", AGAD),
    OtherRule("mixed_precision", "the learning rule mixed_precision", MixedPrecision),
)
