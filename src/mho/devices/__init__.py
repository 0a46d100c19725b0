"""How one cross-point answers one pulse: one law a file."""

from mho.devices.base import Device
from mho.devices.constant_step import ConstantStep
from mho.devices.ideal import Ideal
from mho.devices.per_cell import PerCell, per_cell

LAWS: dict[str, type[Device]] = {law.__name__: law for law in (ConstantStep, Ideal)}

__all__ = ["LAWS", "ConstantStep", "Device", "Ideal", "PerCell", "per_cell"]
