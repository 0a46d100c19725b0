"""A network as a table of arrays."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from mho.arrays import Array
from mho.arrays.layout import places
from mho.cells import BankCost, CellCost
from mho.config import RPU
from mho.errors import InvalidValue, nearest
from mho.hardware.trace import Trace, trace
from mho.models import Network
from mho.nn import array_layers, replica_outputs
from mho.nn.memory import Floats


@final
@dataclasses.dataclass(frozen=True)
class ArrayRow:
    """One layer on arrays.

    Attributes:
        layer: qualified name.
        out: rows of the weight matrix.
        inputs: columns, the bias included.
        vectors: vectors an image sends through the array (the paper's weight sharing factor T), in all its uses.
        devices: cross-points a weight.
        arrays: arrays of this size that the layer has (one a group).
        replicas: networks side by side.
        tiles: crossbars that an array of this size is spread over; 1 where it is one.
        tile_out: rows of weights of the largest of them.
        tile_inputs: columns likewise.
        uses: how often an image goes through the layer.
        references: of `devices` those that no pulse moves.
        scale: the digital factors between weights and arrays, in words; empty where there are none.
        cell: what the cell of a weight asks of hardware; left out, one bank of these devices without events.
    """

    layer: str
    out: int
    inputs: int
    vectors: int
    devices: int
    arrays: int
    replicas: int
    tiles: int
    tile_out: int
    tile_inputs: int
    uses: int = 1
    references: int = 0
    scale: str = ""
    cell: CellCost = None  # type: ignore[assignment]  # made in __post_init__

    def __post_init__(self) -> None:
        if self.cell is None:
            bank = BankCost(devices=self.devices, references=self.references, answers=self.devices - self.references)
            object.__setattr__(self, "cell", CellCost(banks=(bank,), answers=bank.lines))

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image takes in one forward cycle, in all arrays of the layer."""
        return self.out * self.inputs * self.vectors * self.arrays

    @property
    def weights(self) -> int:
        """Weights of all arrays of the layer."""
        return self.out * self.inputs * self.arrays

    @property
    def cross_points(self) -> int:
        """Devices of all arrays of the layer, in one replica."""
        return self.weights * self.devices

    @property
    def pulsed(self) -> int:
        """Those of them that updates move."""
        return self.weights * (self.devices - self.references)

    @property
    def read_devices(self) -> int:
        """Cross-points of a weight that forward and backward reads see."""
        return sum(bank.devices for bank in self.cell.read)


def array_table(model: nn.Module, image: Tensor) -> list[ArrayRow]:
    """The arrays of a converted model, in the order in which an image (B, ...) first meets them.

    The image is sent through a copy, so no stream of the model moves.
    """
    met: list[tuple[str, _Counted]] = []
    twin = copy.deepcopy(model).eval()
    for path, layer in array_layers(twin).items():
        layer.crossbars = [_Counted(array, path, met) for array in layer.crossbars]  # type: ignore[misc]
    with torch.no_grad():
        replica_outputs(twin, image, per_replica=False)
    paths = [path for path, _ in met]
    first = dict(reversed(met))
    return [_row(path, first[path], len(image), paths.count(path)) for path in dict.fromkeys(paths)]


@final
class _Counted:
    """Stands in for an array in a layer, and counts what is read from it."""

    def __init__(self, array: Array, path: str, met: list[tuple[str, _Counted]]) -> None:
        self.array, self.path, self.met = array, path, met
        self.vectors = self.uses = 0

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        if not self.uses:
            self.met.append((self.path, self))
        self.vectors, self.uses = self.vectors + inputs.shape[1], self.uses + 1
        return self.array.read_vectors(inputs, backward=backward)


def _row(path: str, counted: _Counted, images: int, arrays: int) -> ArrayRow:
    array = counted.array
    shapes = list(array.tile_shapes.values())
    return ArrayRow(
        path,
        array.out_features,
        array.in_features,
        counted.vectors // images,
        array.devices,
        arrays,
        array.replicas,
        len(shapes),
        *shapes[0],
        uses=counted.uses,
        references=array.devices - array.rpu.pulsed,
        scale=scale_in_words(array),
        cell=array.rpu.cell.cost(array.rpu.banks),
    )


def scale_in_words(array: Array) -> str:
    """Return the digital factors of an array at present: "4.3", or "3.1 to 8.7"; empty where there are none."""
    scale = array.scale
    if scale is None:
        return ""
    low, high = f"{float(scale.min()):.3g}", f"{float(scale.max()):.3g}"
    return low if low == high else f"{low} to {high}"


def planned_table(
    network: Network,
    rpu: RPU,
    *,
    layers: Mapping[str, RPU] | None = None,
    exclude: Iterable[str] = (),
    bias_column: bool = True,
) -> list[ArrayRow]:
    """The arrays that a network would have on an RPU, without any weight in memory.

    Args:
        network: how the model is built, and the shape of its image; any model of layers with an array form will do.
        rpu: what the arrays are made of; its tile and its cell are what counts here.
        layers: other RPUs for layers whose qualified name matches a pattern, as of `mho.convert`.
        exclude: patterns of layers that stay digital.
        bias_column: whether the bias of a layer is a column of its array, as mho trains it. False: it is added
            digitally, and the numbers of multiply-accumulates are those of the literature.

    Raises:
        InvalidValue: naming the module that cannot be traced; or a pattern that matches no layer on arrays.
    """
    return rows_of(trace(network, exclude=exclude), rpu, layers=layers, bias_column=bias_column)


def rows_of(
    traced: Trace, rpu: RPU, *, layers: Mapping[str, RPU] | None = None, bias_column: bool = True
) -> list[ArrayRow]:
    """As `planned_table`, of a network that is traced already."""
    special = dict(layers or {})
    check_patterns(special, [name for layer in traced.layers for name in layer.names])
    rows: list[ArrayRow] = []
    for layer in traced.layers:
        matching = (spec for name in layer.names for p, spec in special.items() if fnmatch.fnmatchcase(name, p))
        own = next(matching, rpu)
        inputs = layer.inputs + (layer.bias and bias_column)
        tiles = places(own, layer.out, inputs)
        rows.append(
            ArrayRow(
                layer.name,
                layer.out,
                inputs,
                layer.vectors,
                own.devices,
                layer.groups,
                own.replicas or 1,
                len(tiles),
                *tiles[0].shape,
                uses=layer.uses,
                references=own.devices - own.pulsed,
                scale="" if own.scaling is None else str(own.scaling.value),
                cell=own.cell.cost(own.banks),
            )
        )
    return rows


def check_patterns(patterns: Iterable[str], names: list[str]) -> None:
    """Raise unless every pattern matches a layer on arrays."""
    faults = [f"{p!r} matches no layer on arrays{nearest(p, names)}" for p in patterns if not fnmatch.filter(names, p)]
    if faults:
        raise InvalidValue("; ".join(faults), faults)
