"""Improvements of an array that `mho.improve` tries, one property at a time."""

from mho.diagnosis.improvements.base import FieldChange, Improvement, NotApplicable, Setup
from mho.diagnosis.improvements.cells import CELLS, MoreDevices, OtherRule, ShiftedZero
from mho.diagnosis.improvements.circuits import CIRCUITS, PulseChange, ReadChange
from mho.diagnosis.improvements.devices import DEVICES, AlikeDevices

IMPROVEMENTS: tuple[Improvement, ...] = (*DEVICES, *CIRCUITS, *CELLS)
"""Every improvement of mho's."""
USUAL: tuple[Improvement, ...] = tuple(one for one in IMPROVEMENTS if not isinstance(one, OtherRule))
"""Those that are tried unless others are named: learning rules start slowly, and short trainings rank them too low."""

__all__ = [
    "IMPROVEMENTS",
    "USUAL",
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
