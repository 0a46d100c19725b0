"""AlexNet as Gokmen 2017 maps it."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from mho.models.network import Network


@final
class AlexNet(nn.Module):
    """AlexNet as Gokmen 2017, Table 2 maps it, ungrouped: images (B, 3, 227, 227) to logits (B, 1000).

    A. Krizhevsky, I. Sutskever, G. E. Hinton, NIPS 2012; conv1 to conv5 are the table's K1 to K5, fc6 to fc8 its W6
    to W8. The table counts K1 as 96×363 and W7 as 4,096×4,096, without a column for the bias, so the layers have none
    unless asked; with it they are the 2012 network's, whose second, fourth and fifth convolution had two groups.

    Args:
        bias: give every layer a bias, which is one more column of its array.
    """

    def __init__(self, *, bias: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4, bias=bias)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, bias=bias)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1, bias=bias)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, bias=bias)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, bias=bias)
        self.fc6 = nn.Linear(9216, 4096, bias=bias)
        self.fc7 = nn.Linear(4096, 4096, bias=bias)
        self.fc8 = nn.Linear(4096, 1000, bias=bias)
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 1000) of images (B, 3, 227, 227).

        Raises:
            RuntimeError: by torch, for inputs of another shape.
        """
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = self.pool(F.relu(self.conv5(x))).flatten(1)
        x = F.relu(self.fc7(self.dropout(F.relu(self.fc6(self.dropout(x))))))
        logits: Tensor = self.fc8(x)
        return logits


NETWORK = Network(AlexNet, (3, 227, 227))
