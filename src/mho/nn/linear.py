"""A fully connected layer on an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import InvalidValue
from mho.kernels import ops
from mho.kernels.ops import Floats
from mho.nn.array_layer import ArrayLayer
from mho.nn.kinds import LayerKind, Matrix, register
from mho.nn.passage import Passage, PassageOf


@final
class Linear(ArrayLayer):
    """y = W x + b on one array of out × (in + 1): the bias is a column driven by 1.

    Takes (R·B, ..., in_features) float32; every row of it is one vector through the array.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        rpu: RPU,
        bias: bool = True,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "linear",
    ) -> None:
        super().__init__(rpu, [(out_features, in_features)], bias=bias, seed=seed, replicas=replicas, name=name)
        self.in_features, self.out_features = in_features, out_features

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) > 1 and shape[-1] == self.in_features

    def is_sample(self, shape: Sequence[int]) -> bool:
        return len(shape) == 1

    def prepare(self, x: Tensor) -> Tensor:
        if not self.takes(x.shape):
            raise InvalidValue(
                f"layer {self.name}: input of shape {tuple(x.shape)}; give (batch, ..., {self.in_features})"
            )
        return x

    def send(self, x: Tensor) -> list[Floats]:
        rows = x.numpy().reshape(x.shape[0], math.prod(x.shape[1:-1]), self.in_features)
        vectors = np.ones((*rows.shape[:2], self.in_features + self.has_bias), np.float32)
        vectors[:, :, : self.in_features] = rows
        return [vectors]

    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        return torch.from_numpy(answers[0].reshape(*shape[:-1], self.out_features))

    def send_back(self, grad: Tensor) -> list[Floats]:
        return [grad.contiguous().numpy().reshape(grad.shape[0], math.prod(grad.shape[1:-1]), self.out_features)]

    def receive_back(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        return torch.from_numpy(answers[0][..., : self.in_features].reshape(shape))

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        return f"{self.in_features}, {self.out_features}, bias={self.has_bias}"


def _make(module: nn.Linear, **options: Any) -> Linear:
    return Linear(module.in_features, module.out_features, bias=module.bias is not None, **options)


def _fault(module: nn.Linear, shape: Sequence[int]) -> str | None:
    return f"its last number must be {module.in_features}" if shape and shape[-1] != module.in_features else None


def _passage(layer: Linear) -> PassageOf:
    """Pass every row of a sample as one vector."""

    def rows(values: Floats) -> Floats:
        return values.reshape(-1, values.shape[-1])

    def passage(samples: int, sizes: tuple[int, ...]) -> Passage:
        if not sizes or sizes[-1] != layer.in_features:
            raise InvalidValue(f"layer {layer.name} takes vectors of {layer.in_features}, not {sizes}")
        return Passage(
            vectors=math.prod(sizes[:-1]),
            sizes=(*sizes[:-1], layer.out_features),
            send=lambda x, each: [ops.copy_rows(rows(x), rows(each[0]))],
            receive_back=lambda each, back: [ops.copy_columns(rows(each[0]), rows(back))],
        )

    return passage


KIND = register(
    LayerKind(
        replaces=nn.Linear,
        layer=Linear,
        make=_make,
        matrices=lambda module: [Matrix(module.weight, module.bias)],
        vectors=lambda given, answer: math.prod(given[:-1]),
        fault=_fault,
        passage=_passage,
        twin=lambda layer: nn.Linear(layer.in_features, layer.out_features, bias=layer.has_bias),
    )
)
