"""ResNet-18."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from mho.models.network import Network
from mho.models.residual import Block

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels and first stride of each stage of two blocks."""


@final
class ResNet18(nn.Module):
    """ResNet-18: images (B, 3, 224, 224), or others of at least 32×32, to logits (B, 1000); 11,689,512 parameters.

    K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, arXiv 1512.03385, Table 1, with projections where the size changes
    (option B). Parameters have torchvision's names, so that its weights can be loaded. Batch normalisation is
    digital.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for stage, (width, stride) in enumerate(STAGES, 1):
            blocks = [Block(*sizes, projected=True) for sizes in ((channels, width, stride), (width, width, 1))]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            channels = width
        self.fc = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 1000) of images (B, 3, H, W), in the paper 224 × 224 pixels.

        Raises:
            RuntimeError: by torch, for inputs of another shape.
        """
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for stage in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


NETWORK = Network(ResNet18, (3, 224, 224))
