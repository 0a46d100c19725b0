"""LeNet of Gokmen 2017."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mho.models.network import Network


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
        """Return the logits (B, 10) of images (B, 1, 28, 28).

        Raises:
            RuntimeError: by torch, for inputs of another shape.
        """
        x = self.pool(torch.tanh(self.conv1(x)))
        x = self.pool(torch.tanh(self.conv2(x)))
        logits: Tensor = self.fc2(torch.tanh(self.fc1(x.flatten(1))))
        return logits


NETWORK = Network(LeNet, (1, 28, 28))
