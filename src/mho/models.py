"""The papers' networks in plain torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn


class LeNet(nn.Module):
    """LeNet of Gokmen 2017: images (B, 1, 28, 28) to logits (B, 10).

    Two 5×5 convolutions (16 and 32 kernels), each with tanh and 2×2 max pooling, then 512-128-10. With
    the bias as a column the arrays are 16×26, 32×401, 128×513 and 10×129: 80,202 weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.fc1 = nn.Linear(512, 128)
        self.fc2 = nn.Linear(128, 10)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.tanh(self.conv1(x)))
        x = self.pool(torch.tanh(self.conv2(x)))
        logits: Tensor = self.fc2(torch.tanh(self.fc1(x.flatten(1))))
        return logits


class MLP(nn.Module):
    """The fully connected network of Gokmen & Vlasov 2016: images (B, 1, 28, 28) to logits (B, 10).

    784-256-128-10, sigmoid. With the bias as a column the arrays are 256×785, 128×257 and 10×129: 235,146 weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc3(torch.sigmoid(self.fc2(x)))
        return logits


@final
@dataclasses.dataclass(frozen=True)
class Network:
    """A network by name: how it is built, and the shape of its images (channels, height, width)."""

    build: Callable[[], nn.Module]
    image: tuple[int, int, int]


NETWORKS = {"lenet": Network(LeNet, (1, 28, 28)), "mlp": Network(MLP, (1, 28, 28))}
