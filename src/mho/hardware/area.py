"""The area of a network on arrays: a plain sum of parts, for orders of magnitude.

An array is taken as hardware has it, with all of its lines, whatever part of it a layer uses: cross-points of a pitch,
and around them for each column what drives it and for each row an integrator, and a converter for every `lines_per_adc`
rows; for training the same for the other direction, and for every line what draws its pulse trains. Digital circuits
count for each line whose outputs they receive, digital memory for each number. Each bank of a cell, group, tile and
copy is an array with all of these circuits, and no two layers share an array.

Not known and not counted: wiring and buffers between arrays, control, supply, and what a layout adds.
"""

from __future__ import annotations

import dataclasses
from typing import final

from mho.hardware.constants import Constants
from mho.hardware.converters import adc_area, dac_area
from mho.hardware.time import Placed


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerArea:
    """Area [m²] of all arrays of a layer.

    Attributes:
        placed: the layer.
        cells: cross-points, whether they are used or not.
        dacs: what drives lines in reads.
        integrators: of output lines.
        adcs: converters of outputs.
        trains: what draws pulse trains; 0 for inference alone.
        digital: activations, sums and digital memory.
    """

    placed: Placed
    cells: float
    dacs: float
    integrators: float
    adcs: float
    trains: float
    digital: float

    @property
    def total(self) -> float:
        """Return the area [m²] of all parts of the layer."""
        return self.cells + self.dacs + self.integrators + self.adcs + self.trains + self.digital


def layer_area(placed: Placed, constants: Constants, *, training: bool = True) -> LayerArea:
    """Return the area of the arrays of a layer.

    Args:
        placed: the layer.
        constants: of `read_constants`.
        training: whether the arrays are trained; False: they make forward reads only, banks that these do not see are
            left out, and so are converters of the backward cycle, pulse trains and the digital memory of updates.
    """
    row, size, c = placed.row, placed.size, constants
    cycles = [(size.columns, size.rows, row.forward)]
    if training:
        cycles.append((size.rows, size.columns, row.backward))
    arrays = placed.arrays if training else placed.read_arrays
    memory = placed.memory if training else row.groups * placed.copies * (row.out + row.inputs)
    shared = size.lines_per_adc
    return LayerArea(
        placed=placed,
        cells=arrays * size.rows * size.columns * c["cell_pitch"] ** 2,
        dacs=arrays * sum(driven * dac_area(converters, c) for driven, _, converters in cycles),
        integrators=arrays * sum(read for _, read, _ in cycles) * c["integrator_area"],
        adcs=arrays * sum(-(-read // shared) * adc_area(converters, c) for _, read, converters in cycles),
        trains=arrays * (size.rows + size.columns) * c["pulse_train_area"] if training else 0.0,
        digital=arrays * sum(read for _, read, _ in cycles) * c["digital_area"] + memory * c["memory_area"],
    )
