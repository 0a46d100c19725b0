"""The circuits around an array, as descriptions: reads, updates, digital factors, the size that can be built."""

from mho.periphery.pulses import Exact, Pulses
from mho.periphery.read import Read
from mho.periphery.scale import Scale
from mho.periphery.tile import Tile

__all__ = ["Exact", "Pulses", "Read", "Scale", "Tile"]
