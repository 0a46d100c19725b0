"""mho (℧, the unit of conductance): neural networks trained on the physics of resistive cross-point arrays."""

import importlib
from typing import TYPE_CHECKING, Any

from mho import cells, devices, learning, models, nn, presets, testing
from mho.arrays import Crossbar
from mho.cells import Cell
from mho.compiler.threads import set_threads
from mho.config import RPU
from mho.devices import Device, Effect, Table, per_cell, table
from mho.diagnosis import advise, diagnose
from mho.errors import no_such_name
from mho.nn import band_limit, conversion_table, convert, export, replica_loss, to_digital
from mho.periphery import Exact, Pulses, Read, Scale
from mho.runs import load
from mho.tile import Tile
from mho.training import AnalogOptimizer, AnalogSGD
from mho.version import PHYSICS_VERSION

if TYPE_CHECKING:
    from mho.comparison import compare
    from mho.report import write_history_report as report

__version__ = "0.1.0"

__all__ = [
    "PHYSICS_VERSION",
    "RPU",
    "AnalogOptimizer",
    "AnalogSGD",
    "Cell",
    "Crossbar",
    "Device",
    "Effect",
    "Exact",
    "Pulses",
    "Read",
    "Scale",
    "Table",
    "Tile",
    "advise",
    "band_limit",
    "cells",
    "compare",
    "conversion_table",
    "convert",
    "devices",
    "diagnose",
    "export",
    "learning",
    "load",
    "models",
    "nn",
    "per_cell",
    "presets",
    "replica_loss",
    "report",
    "set_threads",
    "table",
    "testing",
    "to_digital",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> Any:
        if name == "report":  # needs matplotlib, hence imported when it is first asked for
            return importlib.import_module("mho.report")
        if name == "compare":
            return importlib.import_module("mho.comparison").compare
        raise no_such_name(__name__, name)
