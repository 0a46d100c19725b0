"""Measured devices: files of pulses, the laws that fit them, and what they cannot tell."""

from mho.measurements.formats import Format
from mho.measurements.jump_tables import JumpTables, read_jump_table
from mho.measurements.measured import read_measured
from mho.measurements.named_device import find_device, is_measured, read_device
from mho.measurements.reading import read_pulses
from mho.measurements.record import Decision, Measurement, Trace

__all__ = [
    "Decision",
    "Format",
    "JumpTables",
    "Measurement",
    "Trace",
    "find_device",
    "is_measured",
    "read_device",
    "read_jump_table",
    "read_measured",
    "read_pulses",
]
