"""mho (℧, the unit of conductance): neural networks trained on the physics of resistive cross-point arrays."""

from typing import TYPE_CHECKING, NoReturn

from mho import cells, devices, learning, models, nn, presets, testing
from mho.arrays import Crossbar
from mho.cells import Cell
from mho.compiler.threads import set_threads
from mho.config import RPU
from mho.devices import Device, Effect, Table, per_cell, table
from mho.diagnosis import diagnose
from mho.errors import no_such_name
from mho.nn import band_limit, conversion_table, convert, replica_loss, to_digital
from mho.periphery import Exact, Pulses, Read
from mho.tile import Tile
from mho.training import AnalogSGD
from mho.version import PHYSICS_VERSION

__version__ = "0.1.0"

__all__ = [
    "PHYSICS_VERSION",
    "RPU",
    "AnalogSGD",
    "Cell",
    "Crossbar",
    "Device",
    "Effect",
    "Exact",
    "Pulses",
    "Read",
    "Table",
    "Tile",
    "band_limit",
    "cells",
    "conversion_table",
    "convert",
    "devices",
    "diagnose",
    "learning",
    "models",
    "nn",
    "per_cell",
    "presets",
    "replica_loss",
    "set_threads",
    "table",
    "testing",
    "to_digital",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
