"""What `import mho` offers: for type checkers, editors, and `mho/__init__.py`, which imports each name when asked."""

# ruff: noqa: I001 - one list of the rooms, which only `as` makes known to type checkers where __all__ lacks them

from mho import (
    arrays as arrays,
    benchmarks as benchmarks,
    cells,
    config as config,
    data as data,
    devices,
    diagnosis as diagnosis,
    errors as errors,
    fitting as fitting,
    hardware as hardware,
    learning,
    measurements as measurements,
    models,
    nn,
    papers as papers,
    periphery as periphery,
    presets,
    runs as runs,
    testing,
    training,
)
from mho.arrays import Crossbar
from mho.cells import Cell
from mho.comparison import compare
from mho.compiler.threads import set_threads
from mho.config import RPU
from mho.devices import Device, Effect, Table, per_cell, table
from mho.diagnosis import advise, diagnose
from mho.nn import band_limit, conversion_table, convert, export, replica_loss, to_digital
from mho.periphery import Exact, Pulses, Read, Scale, Tile
from mho.report import CallableRoom
from mho.runs import improve, load
from mho.training import AnalogOptimizer, AnalogSGD
from mho.version import PHYSICS_VERSION

__version__: str
report: CallableRoom

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
    "improve",
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
    "training",
]
