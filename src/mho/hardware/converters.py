"""What converters of a number of bits take in time, energy and area.

Inputs of b bits are pulses of one height that last 0 to 2^(b-1) - 1 slots, their sign being the voltage's: a vector is
integrated for 2^(b-1) - 1 slots. An array's t_meas is taken to hold for inputs of `dac_bits` (constants.toml) bits, and
for all bits where inputs are coded as heights (`ArraySize.durations`). A converter of outputs decides a bit in each
step, so its time is in proportion to its bits; it converts one line after another where lines share it, while the next
vector is integrated. Its energy doubles with each bit, as Walden's figure of merit says (energy per conversion / 2^bits
is constant), and quadruples with each bit above `adc_noise_bits`, where thermal noise is its limit; its area doubles,
as a capacitor array does. Energy of an input doubles with each bit, as its number of slots does, its area is in
proportion to its bits. An ideal converter (no bits) is priced like that of `dac_bits` or `adc_bits` bits.

"""

from __future__ import annotations

import math

from mho.cells import Converters
from mho.hardware.constants import Constants
from mho.hardware.sizes import ArraySize


def integration_time(size: ArraySize, converters: Converters, constants: Constants) -> float:
    """Return the time [ns] that the currents of a vector are integrated for."""
    if converters.dac_bits is None or not size.durations:
        return size.t_meas
    return size.t_meas * _levels(converters.dac_bits) / _levels(constants["dac_bits"])


def vector_time(size: ArraySize, converters: Converters, constants: Constants, *, outputs: int) -> float:
    """Return the time [ns] from one vector of a read to the next: that of its integration, or of its conversions.

    Where every line has a converter of its own and no bits are given, t_meas holds it: the time is that of the
    integration.

    Args:
        size: the array.
        converters: of the read.
        constants: of `read_constants`.
        outputs: lines whose outputs are converted, at least 1.
    """
    integration = integration_time(size, converters, constants)
    if converters == Converters() and size.lines_per_adc == 1:
        return integration
    conversion = constants["adc_time"] * 1e9 * adc_bits(converters, constants) / constants["adc_bits"]
    return max(integration, min(size.lines_per_adc, outputs) * conversion)


def dac_energy(converters: Converters, constants: Constants) -> float:
    """Return the energy [J] of one input of a vector."""
    return constants["dac"] * math.exp2(dac_bits(converters, constants) - constants["dac_bits"])


def adc_energy(converters: Converters, constants: Constants) -> float:
    """Return the energy [J] of one conversion of an output."""
    bits, given, noise = adc_bits(converters, constants), constants["adc_bits"], constants["adc_noise_bits"]
    return constants["adc"] * math.exp2(bits - given + max(bits - noise, 0.0) - max(given - noise, 0.0))


def dac_area(converters: Converters, constants: Constants) -> float:
    """Return the area [m²] of what drives one line in reads."""
    return constants["dac_area"] * dac_bits(converters, constants) / constants["dac_bits"]


def adc_area(converters: Converters, constants: Constants) -> float:
    """Return the area [m²] of a converter of outputs."""
    return constants["adc_area"] * math.exp2(adc_bits(converters, constants) - constants["adc_bits"])


def dac_bits(converters: Converters, constants: Constants) -> float:
    """Return the bits at which inputs are priced."""
    return constants["dac_bits"] if converters.dac_bits is None else converters.dac_bits


def adc_bits(converters: Converters, constants: Constants) -> float:
    """Return the bits at which outputs are priced."""
    return constants["adc_bits"] if converters.adc_bits is None else converters.adc_bits


def _levels(bits: float) -> float:
    """Return how many levels above zero an input of so many bits has."""
    return math.exp2(bits - 1) - 1
