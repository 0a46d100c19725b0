"""Measured devices: files of pulses and tables of steps, to which `mho.fitting` fits laws; and devices by name."""

import importlib
from typing import Any

from mho.errors import no_such_name
from mho.measurements.formats import Format
from mho.measurements.jump_tables import JumpTables, read_jump_table
from mho.measurements.measured import read_measured
from mho.measurements.named_device import is_measured, read_device
from mho.measurements.reading import read_pulses
from mho.measurements.record import Decision, Measurement, Trace

__all__ = [
    "Decision",
    "Format",
    "JumpTables",
    "Measurement",
    "Trace",
    "is_measured",
    "read_device",
    "read_jump_table",
    "read_measured",
    "read_pulses",
]


def __getattr__(name: str) -> Any:
    """Import what moved to the room above, `mho.fitting`, when a script asks for it here."""
    if name in ("fitting", "find_device"):
        room = importlib.import_module(f"{__name__}.fitting")
        return room if name == "fitting" else room.find_device
    raise no_such_name(__name__, name, ["fitting"])
