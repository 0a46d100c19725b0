"""Measured devices: files of pulses, the laws that fit them, and what they cannot tell."""

from mho.measurements.record import Measurement, Trace

__all__ = ["Measurement", "Trace"]
