"""A fully connected layer on an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from mho.config import RPU
from mho.errors import InvalidValue
from mho.nn.array_layer import ArrayLayer
from mho.nn.memory import Floats


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

    def forward(self, x: Tensor) -> Tensor:
        """(R·B, ..., in_features) to (R·B, ..., out_features)."""
        if not self.takes(x.shape):
            raise InvalidValue(f"{self.name}: input of shape {tuple(x.shape)}; give (batch, ..., {self.in_features})")
        answer: Tensor = self.respond(x)
        return answer

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) > 1 and shape[-1] == self.in_features

    def vectors(self, shape: Sequence[int]) -> int:
        return math.prod(shape[1:-1])

    def send(self, x: Tensor) -> list[Floats]:
        rows = x.numpy().reshape(self.replicas, -1, self.in_features)
        vectors = np.ones((*rows.shape[:2], self.in_features + self.has_bias), np.float32)
        vectors[:, :, : self.in_features] = rows
        return [vectors]

    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        return torch.from_numpy(answers[0].reshape(*shape[:-1], self.out_features))

    def send_back(self, grad: Tensor) -> list[Floats]:
        return [grad.contiguous().numpy().reshape(self.replicas, -1, self.out_features)]

    def receive_back(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        return torch.from_numpy(answers[0][..., : self.in_features].reshape(shape))

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return f"{self.in_features}, {self.out_features}, bias={self.has_bias}"
