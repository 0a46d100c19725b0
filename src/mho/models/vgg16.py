"""VGG-16."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from mho.models.network import Network

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block, which ends in 2×2 max pooling."""


@final
class VGG16(nn.Module):
    """VGG-16, configuration D: images (B, 3, 224, 224) to logits (B, 1000); 138,357,544 parameters.

    K. Simonyan, A. Zisserman, ICLR 2015, arXiv 1409.1556, Table 1. Layers are conv1_1 to conv5_3, fc6 to fc8.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        self.blocks: list[list[str]] = []
        for block, (width, depth) in enumerate(BLOCKS, 1):
            names = [f"conv{block}_{number}" for number in range(1, depth + 1)]
            for name in names:
                self.add_module(name, nn.Conv2d(channels, width, 3, padding=1))
                channels = width
            self.blocks.append(names)
        self.fc6 = nn.Linear(512 * 7 * 7, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 1000) of images (B, 3, 224, 224).

        Raises:
            RuntimeError: by torch, for inputs of another shape.
        """
        for names in self.blocks:
            for name in names:
                x = F.relu(self.get_submodule(name)(x))
            x = self.pool(x)
        x = self.dropout(F.relu(self.fc6(x.flatten(1))))
        logits: Tensor = self.fc8(self.dropout(F.relu(self.fc7(x))))
        return logits


NETWORK = Network(VGG16, (3, 224, 224))
