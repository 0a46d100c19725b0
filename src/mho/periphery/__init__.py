"""The circuits around an array, as descriptions: reads, updates, digital factors. `mho.kernels` computes them."""

from mho.periphery.pulses import Exact, Pulses
from mho.periphery.read import Read
from mho.periphery.scale import Scale

__all__ = ["Exact", "Pulses", "Read", "Scale"]
