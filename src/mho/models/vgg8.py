"""VGG-8 for images of 32×32."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from mho.models.network import Network

BLOCKS = (48, 96, 144)
"""Channels of each block of two 3×3 convolutions, which ends in 2×2 max pooling."""


@final
class VGG8(nn.Module):
    """Six convolutions and two linear layers: images (B, 3, 32, 32) to logits (B, 10).

    The network of aihwkit's example of VGG8 (M. J. Rasch et al., AICAS 2021, arXiv 2104.02184): per block two 3×3
    convolutions of 48, 96 and 144 channels, the second with batch normalisation, then 2304-384-10, all with ReLU.
    Layers are conv1_1 to conv3_2, fc1 and fc2. The example leaves the first and the last layer digital:
    exclude = ["conv1_1", "fc2"]. Batch normalisation is digital.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        for block, width in enumerate(BLOCKS, 1):
            self.add_module(f"conv{block}_1", nn.Conv2d(channels, width, 3, padding=1))
            self.add_module(f"conv{block}_2", nn.Conv2d(width, width, 3, padding=1))
            self.add_module(f"bn{block}", nn.BatchNorm2d(width))
            channels = width
        self.fc1 = nn.Linear(4 * 4 * channels, 8 * BLOCKS[0])
        self.fc2 = nn.Linear(8 * BLOCKS[0], 10)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 10) of images (B, 3, 32, 32).

        Raises:
            RuntimeError: by torch, for inputs of another shape.
        """
        for block in range(1, len(BLOCKS) + 1):
            x = F.relu(self.get_submodule(f"conv{block}_1")(x))
            x = self.get_submodule(f"bn{block}")(self.get_submodule(f"conv{block}_2")(x))
            x = self.pool(F.relu(x))
        logits: Tensor = self.fc2(F.relu(self.fc1(x.flatten(1))))
        return logits


NETWORK = Network(VGG8, (3, 32, 32))
