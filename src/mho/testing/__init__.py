"""Checks for users' own devices and cells."""

from typing import TYPE_CHECKING, NoReturn

from mho.errors import no_such_name
from mho.testing.cell_check import CellReport, check_cell
from mho.testing.device_check import DeviceReport, check_device
from mho.testing.pulse_response import PulseResponse, pulse_response

__all__ = ["CellReport", "DeviceReport", "PulseResponse", "check_cell", "check_device", "pulse_response"]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
