"""Checks for users' own devices."""

from mho.testing.device_check import DeviceReport, check_device
from mho.testing.pulse_response import PulseResponse, pulse_response

__all__ = ["DeviceReport", "PulseResponse", "check_device", "pulse_response"]
