"""Device laws, one per file, which say how a cross-point responds to a pulse; effects, one per file, add to any law."""

from typing import TYPE_CHECKING, Any

from mho.devices.base import Device
from mho.devices.conductance import Conductance
from mho.devices.effects import EFFECTS, Effect
from mho.devices.neurosim import NeuroSim, from_neurosim, to_neurosim
from mho.devices.options import Options
from mho.devices.per_cell import PerCell, per_cell
from mho.devices.step_device import StepDevice, UpDownDevice
from mho.devices.table import Table, table
from mho.errors import no_such_name
from mho.imports import classes_in

if TYPE_CHECKING:  # for editors; the laws of the room are those of LAWS, whether or not they are named here
    from mho.devices.constant_step import ConstantStep as ConstantStep
    from mho.devices.exp_step import ExpStep as ExpStep
    from mho.devices.falling_step import FallingStep as FallingStep
    from mho.devices.ideal import Ideal as Ideal
    from mho.devices.jump_table import JumpTable as JumpTable
    from mho.devices.linear_step import LinearStep as LinearStep
    from mho.devices.linear_step_additive import LinearStepAdditive as LinearStepAdditive
    from mho.devices.piecewise_step import PiecewiseStep as PiecewiseStep
    from mho.devices.pow_step import PowStep as PowStep
    from mho.devices.rasch_soft_bounds import RaschSoftBounds as RaschSoftBounds
    from mho.devices.soft_bounds import SoftBounds as SoftBounds

LAWS: dict[str, type[Device]] = classes_in(__name__, Device)  # type: ignore[type-abstract]
"""Every law of this room by its name."""
globals().update(LAWS)


def __getattr__(name: str) -> Any:
    raise no_such_name(__name__, name)


__all__ = [
    "EFFECTS",
    "LAWS",
    "Conductance",
    "Device",
    "Effect",
    "NeuroSim",
    "Options",
    "PerCell",
    "StepDevice",
    "Table",
    "UpDownDevice",
    "from_neurosim",
    "per_cell",
    "table",
    "to_neurosim",
    *LAWS,
]
