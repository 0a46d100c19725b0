"""Measured devices: files of pulses, the laws that fit them, and what they cannot tell."""

from mho.measurements.formats import Format
from mho.measurements.reading import read_pulses
from mho.measurements.record import Measurement, Trace

__all__ = ["Format", "Measurement", "Trace", "read_pulses"]
