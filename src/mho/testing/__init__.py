"""For users' own devices: does a law keep the contract?"""

from mho.testing.device_check import DeviceReport, check_device

__all__ = ["DeviceReport", "check_device"]
