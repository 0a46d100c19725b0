"""Improvements of an array that `mho.improve` tries, one property at a time."""

from mho.diagnosis.improvements.base import FieldChange, Improvement, NotApplicable, Setup
from mho.diagnosis.improvements.cells import CELLS, MoreDevices, OtherRule, ShiftedZero
from mho.diagnosis.improvements.circuits import CIRCUITS, PulseChange, ReadChange
from mho.diagnosis.improvements.devices import DEVICES, AlikeDevices

IMPROVEMENTS: tuple[Improvement, ...] = (*DEVICES, *CIRCUITS, *CELLS)
"""Every improvement that is tried unless others are named."""

__all__ = [
    "IMPROVEMENTS",
    "AlikeDevices",
    "FieldChange",
    "Improvement",
    "MoreDevices",
    "NotApplicable",
    "OtherRule",
    "PulseChange",
    "ReadChange",
    "Setup",
    "ShiftedZero",
]
