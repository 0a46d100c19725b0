"""A network as a table of arrays."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import final

import torch
from torch import Tensor, nn

from mho.arrays.layout import places
from mho.config import RPU
from mho.models import Network
from mho.nn import ArrayLayer


@final
@dataclasses.dataclass(frozen=True)
class ArrayRow:
    """One layer on arrays.

    Attributes:
        layer: qualified name.
        out: rows of the weight matrix.
        inputs: columns, the bias included.
        vectors: vectors an image sends through the array (the paper's weight sharing factor T).
        devices: cross-points a weight.
        arrays: arrays of this size that the layer has (one a group).
        replicas: networks side by side.
        tiles: crossbars that an array of this size is spread over; 1 where it is one.
        tile_out: rows of weights of the largest of them.
        tile_inputs: columns likewise.
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

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image takes in one forward cycle, in all arrays of the layer."""
        return self.out * self.inputs * self.vectors * self.arrays


def array_table(model: nn.Module, image: Tensor) -> list[ArrayRow]:
    """The arrays of a converted model, in the order in which an image (B, ...) meets them.

    The image is sent through a copy, so no stream of the model moves.
    """
    rows: list[ArrayRow] = []
    twin = copy.deepcopy(model).eval()

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(layer, ArrayLayer)
        first = layer.crossbars[0]
        shapes = list(first.tile_shapes.values())
        rows.append(
            ArrayRow(
                layer.name,
                first.out_features,
                first.in_features,
                layer.vectors(inputs[0].shape),
                first.devices,
                len(layer.crossbars),
                first.replicas,
                len(shapes),
                *shapes[0],
            )
        )

    for module in twin.modules():
        if isinstance(module, ArrayLayer):
            module.register_forward_hook(note)
    with torch.no_grad():
        twin(image)
    return rows


def planned_table(network: Network, rpu: RPU) -> list[ArrayRow]:
    """The arrays that a network would have on an RPU, without any weight in memory."""
    rows: list[ArrayRow] = []
    with torch.device("meta"):
        model, image = network.build(), torch.empty(1, *network.image)

    def note(name: str, layer: nn.Linear | nn.Conv2d, output: Tensor) -> None:
        groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        out, inputs = layer.weight.shape[0] // groups, layer.weight[0].numel() + (layer.bias is not None)
        vectors = math.prod(output.shape[2:] if isinstance(layer, nn.Conv2d) else output.shape[1:-1])
        tiles = places(rpu, out, inputs)
        replicas, devices = rpu.replicas or 1, rpu.cell.devices
        rows.append(
            ArrayRow(name or "model", out, inputs, vectors, devices, groups, replicas, len(tiles), *tiles[0].shape)
        )

    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.register_forward_hook(lambda layer, _, output, name=name: note(name, layer, output))
    with torch.no_grad():
        model(image)
    return rows
