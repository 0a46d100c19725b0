"""What a network on arrays costs in energy: a plain sum of parts, for orders of magnitude.

Reads: every cross-point carries V²/R while a vector is integrated, lines are charged, each input line is driven, each
output line is integrated and converted; the bits of converters count as `mho.hardware.converters` says. Update: a pulse
puts half the voltage on all of its line, a coincidence the whole on one cross-point. A reference device has a row of
its own, which reads drive or integrate together with its weight's, and no update pulses. Banks that reads do not see
take no part in them. Transfers read one column at a time: one line is driven, all rows are integrated and converted;
what a transfer writes has a bound like that of the update. Digital: an activation an output, forward, and its
derivative, backward, with a product each that serves the factor of an RPU's scale too; sums over tiles and devices, and
backward over the overlapping patches of a convolution; of a transfer a product or a sum is half an activation.

Not known and not counted: digital memory, drawing the pulse trains of transfers, buffers and wiring between the arrays,
pooling, normalisation, losses and control, what circuits draw while they wait, cross-points of an array that hold no
weight of the layer, how conductances are spread around their mean, and the cost of keeping copies of a layer alike. The
backward cycle of the first layer is counted, though no layer below needs its errors.
"""

from __future__ import annotations

import dataclasses
from typing import final

from mho.hardware.constants import Constants
from mho.hardware.converters import adc_energy, dac_energy, integration_time
from mho.hardware.time import Placed


@final
@dataclasses.dataclass(frozen=True)
class CycleEnergy:
    """Energy [J] of one cycle of one image in one layer.

    Attributes:
        arrays: currents through cross-points, and charging of lines.
        inputs: circuits that drive lines: converters, or makers of pulse trains.
        outputs: integrators and analogue-to-digital converters.
        digital: activations and sums.
    """

    arrays: float
    inputs: float
    outputs: float
    digital: float

    @property
    def total(self) -> float:
        """Return the energy [J] of all parts of the cycle."""
        return self.arrays + self.inputs + self.outputs + self.digital


@final
@dataclasses.dataclass(frozen=True)
class LayerEnergy:
    """Energy [J] of one image in one layer on arrays, at least 0.

    What an update takes in training is counted: `mho.hardware.training_cost`.

    Attributes:
        placed: the layer, on arrays of a size.
        forward: of its forward cycles, one for each vector.
        backward: of its backward cycles.
        update_bound: the most that its update can take, every line pulsing in every slot.
        transfers: the most that events on the way of this update can take beside.

    Source: constants and their sources are those of `hardware/constants.toml`.
    """

    placed: Placed
    forward: CycleEnergy
    backward: CycleEnergy
    update_bound: CycleEnergy
    transfers: CycleEnergy


def layer_energy(placed: Placed, constants: Constants) -> LayerEnergy:
    """Return the energy of the three cycles of an image in a layer."""
    return LayerEnergy(
        placed,
        read_energy(placed, constants, backward=False),
        read_energy(placed, constants, backward=True),
        update_bound(placed, constants),
        transfer_energy(placed, constants),
    )


def read_energy(placed: Placed, constants: Constants, *, backward: bool) -> CycleEnergy:
    """Energy of the forward or backward cycle of an image; no vector is read twice."""
    row, c = placed.row, constants
    cell, converters = row.cell, row.backward if backward else row.forward
    integration = integration_time(placed.size, converters, c) * 1e-9
    across, down = row.inputs * placed.down, row.out * placed.across
    # a weight and its reference answer together, as do banks in a sum: currents are added before noise and bounds
    driven = down * row.read_devices if backward else across * len(cell.read)
    answering = across * cell.sums if backward else down * cell.answers
    current = c["read_voltage"] ** 2 / c["device_resistance"] * integration
    charge = c["line_capacitance"] * c["read_voltage"] ** 2
    if backward:
        # where there are many vectors, their answers are added into the error maps of the layer below
        sums = row.inputs * (placed.down * cell.sums - 1 + (row.vectors > 1))
    else:
        # the mean over the devices of a weight is digital; backward, a line makes their sum
        sums = row.out * (placed.across * cell.answers - 1)
    vectors = row.vectors * row.groups
    return CycleEnergy(
        arrays=row.vectors * row.weights * row.read_devices * (current + charge),
        inputs=vectors * driven * dac_energy(converters, c),
        outputs=vectors * answering * (c["integrator_power"] * integration + adc_energy(converters, c)),
        digital=vectors * (row.out * c["activation"] + sums * c["addition"]),
    )


def update_bound(placed: Placed, constants: Constants) -> CycleEnergy:
    """The most that the update cycle of an image can take."""
    row, first = placed.row, placed.row.cell.banks[0]
    slots = row.vectors * row.cell.slots
    # in each slot every cross-point sees a pulse of its row and one of its column, a reference that of its column
    pulses = row.weights * (first.devices + first.lines) * slots * half_pulse(constants)
    return CycleEnergy(
        arrays=pulses + row.weights * first.lines * slots * coincidence(constants),
        inputs=row.vectors * row.groups * train_lines(placed) * constants["pulse_train"],
        outputs=0.0,
        digital=0.0,
    )


def transfer_energy(placed: Placed, constants: Constants, *, written: bool = True) -> CycleEnergy:
    """Energy of transfers and other events in the update cycle of an image.

    Args:
        placed: the layer.
        constants: of the energy model.
        written: whether what they write is counted, as if every row pulsed in every slot.
    """
    row, c = placed.row, constants
    charge = c["line_capacitance"] * c["read_voltage"] ** 2
    arrays = inputs = outputs = digital = 0.0
    for event in row.cell.events:
        source, target = row.cell.bank(event.source), row.cell.bank(event.target)
        integration = integration_time(placed.size, event.converters, c) * 1e-9
        current = c["read_voltage"] ** 2 / c["device_resistance"] * integration
        convert = c["integrator_power"] * integration + adc_energy(event.converters, c)
        # a column of the matrix is one line of each of the tiles that it lies in; every tile has events of its own
        columns = row.vectors * row.groups * event.columns(row.inputs) * (placed.across if event.cyclic else 1)
        reads, slots = columns * event.reads, columns * event.writes * event.slots
        arrays += reads * row.out * source.devices * (current + charge)
        inputs += reads * placed.down * dac_energy(event.converters, c)
        outputs += reads * row.out * source.answers * convert
        digital += columns * row.out * event.operations * c["activation"] / 2
        if written:
            seen = target.devices + target.lines * row.inputs / placed.across
            pulses = row.out * (seen * half_pulse(c) + target.lines * coincidence(c))
            arrays += slots * pulses
    return CycleEnergy(arrays, inputs, outputs, digital)


def train_lines(placed: Placed) -> int:
    """Rows and columns of all tiles of one matrix that the pulse trains of a vector drive."""
    row, first = placed.row, placed.row.cell.banks[0]
    return (row.out * first.lines * placed.across + row.inputs * placed.down) * (row.cell.slots > 0)


def half_pulse(constants: Constants) -> float:
    """Energy [J] of a pulse for each cross-point of its line: half the voltage charges the line and drives it."""
    voltage = constants["pulse_voltage"] / 2
    current = voltage**2 / constants["device_resistance"] * constants["pulse_time"]
    return current + constants["line_capacitance"] * voltage**2


def coincidence(constants: Constants) -> float:
    """Energy [J] of a coincidence beyond its two pulses: V² in place of twice (V/2)²."""
    return constants["pulse_voltage"] ** 2 / 2 / constants["device_resistance"] * constants["pulse_time"]
