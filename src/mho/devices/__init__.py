"""How one cross-point answers one pulse: one law a file."""

from mho.devices.base import Device
from mho.devices.constant_step import ConstantStep
from mho.devices.exp_step import ExpStep
from mho.devices.ideal import Ideal
from mho.devices.jump_table import JumpTable
from mho.devices.linear_step import LinearStep
from mho.devices.options import Options
from mho.devices.per_cell import PerCell, per_cell
from mho.devices.piecewise_step import PiecewiseStep
from mho.devices.pow_step import PowStep
from mho.devices.soft_bounds import SoftBounds
from mho.devices.table import Table, table

LAWS: dict[str, type[Device]] = {
    law.__name__: law
    for law in (ConstantStep, SoftBounds, LinearStep, ExpStep, PowStep, PiecewiseStep, JumpTable, Ideal)
}

__all__ = [
    "LAWS",
    "ConstantStep",
    "Device",
    "ExpStep",
    "Ideal",
    "JumpTable",
    "LinearStep",
    "Options",
    "PerCell",
    "PiecewiseStep",
    "PowStep",
    "SoftBounds",
    "Table",
    "per_cell",
    "table",
]
