"""A network as a table of arrays."""

from __future__ import annotations

import copy
import dataclasses
from typing import final

import torch
from torch import Tensor, nn

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
    """

    layer: str
    out: int
    inputs: int
    vectors: int
    devices: int
    arrays: int
    replicas: int


def array_table(model: nn.Module, image: Tensor) -> list[ArrayRow]:
    """The arrays of a converted model, in the order in which an image (B, ...) meets them.

    The image is sent through a copy, so no stream of the model moves.
    """
    rows: list[ArrayRow] = []
    twin = copy.deepcopy(model).eval()

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(layer, ArrayLayer)
        first = layer.crossbars[0]
        rows.append(
            ArrayRow(
                layer.name,
                first.out_features,
                first.in_features,
                layer.vectors(inputs[0].shape),
                first.devices,
                len(layer.crossbars),
                first.replicas,
            )
        )

    for module in twin.modules():
        if isinstance(module, ArrayLayer):
            module.register_forward_hook(note)
    with torch.no_grad():
        twin(image)
    return rows
