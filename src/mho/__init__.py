"""mho (℧): neural networks trained on the physics of resistive cross-point arrays."""

from mho import cells, devices, presets
from mho.arrays import Crossbar
from mho.config import RPU
from mho.devices import Device, per_cell
from mho.periphery import Exact, Pulses, Read

__version__ = "0.1.0"
