"""How long a network takes on arrays.

A cycle (forward, backward or update) of a layer takes T·t_meas: its T vectors pass one after another, and an array
answers in t_meas whatever its size (T. Gokmen, M. Onen, W. Haensch, Front. Neurosci. 11:538 (2017), Discussion). Where
the bits of converters are given, or lines share a converter, a read takes the time of `mho.hardware.converters`
instead. A training image takes three cycles of every layer, inference one; the backward cycle of the first layer is
counted too, though no layer below needs its errors. Digital work between the arrays, bound management's repeated reads,
and moving vectors about are not counted.

Cells with events halt the update cycle: it takes T·(train + reads·t_meas + writes·write), with so many readings and
writings of columns a vector (M. J. Rasch et al., Nat. Commun. 15:7133 (2024)). Where an array's pulses and digital
circuits are known, trains and writings last their pulses, and the digital work of an update is added; else each takes
t_meas, and digital work none.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from typing import final

from mho.arrays import ArrayRow
from mho.arrays.layout import spread
from mho.errors import Faults, InvalidValue
from mho.hardware.constants import Constants, read_constants
from mho.hardware.converters import vector_time
from mho.hardware.sizes import GOKMEN_2017, ArraySize, check_sizes
from mho.hardware.table import check_patterns

CYCLES = ("forward", "backward", "update")
"""The cycles of a training image; inference takes the first."""


@final
@dataclasses.dataclass(frozen=True)
class Placed:
    """A layer on arrays of a size that hardware has.

    Attributes:
        row: the layer.
        size: the array it is put on.
        down: arrays side by side over its rows, for each of its groups and copies.
        across: likewise over its columns.
        tile_out: rows of weights of the largest part.
        tile_inputs: columns likewise.
        fits: whether an array of the table holds it, so that no part of it was cut for want of size.
        copies: arrays that share the vectors of an image.
        forward_vector: time [ns] of a vector in the forward cycle.
        backward_vector: time [ns] of a vector in the backward cycle.
        event_reads: time [ns] of a column's reading by each event of the cell.
    """

    row: ArrayRow
    size: ArraySize
    down: int
    across: int
    tile_out: int
    tile_inputs: int
    fits: bool
    copies: int
    forward_vector: float
    backward_vector: float
    event_reads: tuple[float, ...]

    @property
    def tiles(self) -> int:
        """Return the number of arrays that one matrix is spread over."""
        return self.down * self.across

    @property
    def vectors(self) -> int:
        """Return the number of vectors that an image sends through the busiest copy of the layer."""
        return -(-self.row.vectors // self.copies)

    @property
    def forward(self) -> float:
        """Time [ns] of the forward cycle of an image. Tiles and groups work at once."""
        return self.vectors * self.forward_vector

    @property
    def backward(self) -> float:
        """Time [ns] of the backward cycle of an image."""
        return self.vectors * self.backward_vector

    @property
    def column_reads(self) -> float:
        """Return the columns that events such as transfers read per vector of an update, in the largest tile."""
        return sum(event.reads * event.columns(self.tile_inputs) for event in self.row.cell.events)

    @property
    def column_writes(self) -> float:
        """Return the columns that events write per vector of an update, at most, in the largest tile."""
        return sum(event.writes * event.columns(self.tile_inputs) for event in self.row.cell.events)

    @property
    def operations(self) -> float:
        """Return the digital additions and multiplications per vector of an update, in the largest tile."""
        return self.row.cell.operations(self.tile_out, self.tile_inputs)

    @property
    def memory(self) -> int:
        """Return how many numbers of digital memory the arrays of the layer take, their vectors and errors included."""
        return self.row.groups * self.copies * self.row.cell.memory(self.row.out, self.row.inputs)

    @property
    def update_vector(self) -> float:
        """Time [ns] of an update with one vector, events included."""
        size, cell = self.size, self.row.cell
        events = sum(
            event.columns(self.tile_inputs) * (event.reads * read + event.writes * size.train(event.slots))
            for event, read in zip(cell.events, self.event_reads, strict=True)
        )
        return size.train(cell.slots) + events + size.digital(self.operations)

    @property
    def update(self) -> float:
        """Time [ns] of the update cycle of an image."""
        return self.vectors * self.update_vector

    @property
    def training(self) -> float:
        """Time [ns] of the three cycles of a training image."""
        return self.forward + self.backward + self.update

    @property
    def arrays(self) -> int:
        """Return the number of physical arrays of the layer: banks, groups, tiles and copies."""
        return len(self.row.cell.banks) * self.row.groups * self.tiles * self.copies

    @property
    def read_arrays(self) -> int:
        """Return the number of physical arrays of the layer that forward reads see."""
        return len(self.row.cell.read) * self.row.groups * self.tiles * self.copies

    @property
    def cross_points(self) -> int:
        """Return the number of devices of the layer in all its copies."""
        return self.row.cross_points * self.copies

    @property
    def utilisation(self) -> float:
        """Share of the cross-points of the physical arrays that hold weights, 0 to 1."""
        return self.cross_points / (self.arrays * self.size.rows * self.size.columns)


@final
@dataclasses.dataclass(frozen=True)
class NetworkTime:
    """A whole network on arrays."""

    layers: tuple[Placed, ...]

    @property
    def sequential(self) -> float:
        """Time [ns] of a forward cycle, one layer after another."""
        return sum(layer.forward for layer in self.layers)

    @property
    def training(self) -> float:
        """Time [ns] of the three cycles of a training image, one layer after another."""
        return sum(layer.training for layer in self.layers)

    @property
    def training_bottleneck(self) -> Placed:
        """Return the layer that is slowest in training."""
        return max(self.layers, key=lambda layer: layer.training)

    @property
    def bottleneck(self) -> Placed:
        """Return the layer that is slowest in the forward cycle, which sets the pace of a pipeline."""
        return max(self.layers, key=lambda layer: layer.forward)

    @property
    def pipelined(self) -> float:
        """Time [ns] per image of one forward cycle, every layer at work on another image."""
        return self.bottleneck.forward

    @property
    def macs(self) -> int:
        """Return the number of multiply-accumulates of an image in one forward cycle."""
        return sum(layer.row.macs for layer in self.layers)

    def share_of_macs(self, layer: Placed) -> float:
        """Return a layer's share of the multiply-accumulates, 0 to 1, as of the time of conventional hardware."""
        return layer.row.macs / self.macs

    def share_of_time(self, layer: Placed) -> float:
        """Return the share of a layer in the time of arrays that work one layer after another, 0 to 1."""
        return layer.forward / self.sequential


def network_time(
    rows: Sequence[ArrayRow],
    sizes: Sequence[ArraySize] = GOKMEN_2017,
    *,
    copies: Mapping[str, int] | None = None,
    constants: Constants | None = None,
) -> NetworkTime:
    """Put each layer on the fastest array that holds it, the smallest where several are as fast.

    A layer that no array holds is spread over several of the kind that needs fewest; their partial sums are added
    digitally. A layer with r copies sends every r-th vector through each, which divides T by r (rounded up); the
    copies must be kept alike after an update, and the time of that is not counted. (Copies that are trained apart make
    another network: M. J. Rasch et al., Front. Neurosci. 13:753 (2019).)

    Args:
        rows: the layers, from `planned_table` or `array_table`.
        sizes: the arrays there are.
        copies: pattern of layer names to number of copies, at least 1; the first that matches counts. A layer has no
            more copies than vectors.
        constants: of which those of converters count; None: mho's.

    Raises:
        InvalidValue: for no rows or sizes, a pattern that matches no layer, a number of copies below 1 or above the
            vectors of every layer it is for, or a cell of more devices than any array has rows.
    """
    check_sizes(sizes)
    if not rows:
        raise InvalidValue("no layer is on arrays; there is no time to tell")
    special = dict(copies or {})
    check_patterns(special, [row.layer for row in rows])
    faults = Faults("copies")
    for pattern, number in special.items():
        most = max(row.vectors for row in rows if fnmatch.fnmatchcase(row.layer, pattern))
        if faults.number(pattern, number, low=1, integer=True) and number > most:
            faults.add(
                f"{pattern} is {number}, and its layers have at most {most} vectors to share; give at most {most}"
            )
    faults.raise_any()
    layers, known = [], read_constants() if constants is None else constants
    for row in rows:
        number = next((n for pattern, n in special.items() if fnmatch.fnmatchcase(row.layer, pattern)), 1)
        layers.append(_placed(row, sizes, min(number, row.vectors), known))
    return NetworkTime(tuple(layers))


def _placed(row: ArrayRow, sizes: Sequence[ArraySize], copies: int, constants: Constants) -> Placed:
    lines = row.tile_out * row.cell.lines
    holding = [size for size in sizes if lines <= size.rows and row.tile_inputs <= size.columns]
    if holding:
        options = [_spread(row, size, copies, constants, fits=True) for size in holding]
        return min(options, key=lambda option: (option.forward_vector, option.size.rows * option.size.columns))
    able = [size for size in sizes if size.rows >= row.cell.lines]
    if not able:
        most = max(size.rows for size in sizes)
        raise InvalidValue(
            f"{row.layer}: a weight of {row.cell.lines} devices does not fit arrays of at most {most} rows; "
            "give a larger array, or fewer devices"
        )
    options = [_spread(row, size, copies, constants, fits=False) for size in able]
    return min(options, key=lambda option: (option.tiles, option.forward_vector))


def _spread(row: ArrayRow, size: ArraySize, copies: int, constants: Constants, *, fits: bool) -> Placed:
    down = spread(row.out, min(row.tile_out, size.rows // row.cell.lines))
    across = spread(row.inputs, min(row.tile_inputs, size.columns))
    largest = (down[0].stop - down[0].start, across[0].stop - across[0].start)
    out, cell = largest[0], row.cell
    answers = max(bank.answers for bank in cell.read)
    return Placed(
        row, size, len(down), len(across), *largest, fits, copies,
        forward_vector=vector_time(size, row.forward, constants, outputs=out * answers),
        backward_vector=vector_time(size, row.backward, constants, outputs=largest[1]),
        event_reads=tuple(
            vector_time(size, event.converters, constants, outputs=out * cell.bank(event.source).answers)
            for event in cell.events
        ),
    )  # fmt: skip
