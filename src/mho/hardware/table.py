"""A network as a table of arrays."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from mho.arrays.layout import places
from mho.config import RPU
from mho.errors import InvalidValue, nearest
from mho.hardware.trace import Trace, trace
from mho.models import Network
from mho.nn import ArrayLayer, array_layers, replica_outputs


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


def array_table(model: nn.Module, image: Tensor) -> list[ArrayRow]:
    """The arrays of a converted model, in the order in which an image (B, ...) first meets them.

    The image is sent through a copy, so no stream of the model moves.
    """
    rows: dict[str, ArrayRow] = {}
    twin = copy.deepcopy(model).eval()
    paths = {layer: path for path, layer in array_layers(twin).items()}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(layer, ArrayLayer)
        path = paths[layer]
        first, before = layer.crossbars[0], rows.get(path)
        shapes = list(first.tile_shapes.values())
        shape = inputs[0].shape
        # a model may fold positions into the batch
        vectors = layer.vectors(shape) * shape[0] // (first.replicas * len(image))
        rows[path] = ArrayRow(
            path,
            first.out_features,
            first.in_features,
            vectors + (before.vectors if before else 0),
            first.devices,
            len(layer.crossbars),
            first.replicas,
            len(shapes),
            *shapes[0],
            uses=(before.uses if before else 0) + 1,
            references=first.devices - first.pulsed,
        )

    for layer in paths:
        layer.register_forward_hook(note)
    with torch.no_grad():
        replica_outputs(twin, image, per_replica=False)
    return list(rows.values())


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
        network: how the model is built, and the shape of its image; any model of Linear and Conv2d will do.
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
    check_patterns(special, [layer.name for layer in traced.layers])
    rows: list[ArrayRow] = []
    for layer in traced.layers:
        own = next((spec for p, spec in special.items() if fnmatch.fnmatchcase(layer.name, p)), rpu)
        inputs = layer.inputs + (layer.bias and bias_column)
        tiles = places(own, layer.out, inputs)
        rows.append(
            ArrayRow(
                layer.name,
                layer.out,
                inputs,
                layer.vectors,
                own.cell.devices,
                layer.groups,
                own.replicas or 1,
                len(tiles),
                *tiles[0].shape,
                uses=layer.uses,
                references=own.cell.devices - own.cell.pulsed,
            )
        )
    return rows


def check_patterns(patterns: Iterable[str], names: list[str]) -> None:
    """Raise unless every pattern matches a layer on arrays."""
    faults = [f"{p!r} matches no layer on arrays{nearest(p, names)}" for p in patterns if not fnmatch.filter(names, p)]
    if faults:
        raise InvalidValue("; ".join(faults), faults)
