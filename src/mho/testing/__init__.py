"""Checks for users' own devices and cells."""

from mho.testing.cell_check import CellReport, check_cell
from mho.testing.device_check import DeviceReport, check_device
from mho.testing.pulse_response import PulseResponse, pulse_response

__all__ = ["CellReport", "DeviceReport", "PulseResponse", "check_cell", "check_device", "pulse_response"]
