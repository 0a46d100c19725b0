"""ResNet-8 for images of 32×32."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from mho.models.network import Network

STAGES = ((16, 1), (32, 2), (64, 2))
"""Channels and first stride of each stage of one block."""


@final
class ResNet8(nn.Module):
    """Residual network of 8 layers: images (B, 3, 32, 32) to logits (B, 10); 75,290 parameters.

    K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, arXiv 1512.03385, section 4.2: the family of 6n + 2 layers for CIFAR-10
    with n = 1, and shortcuts without parameters (option A). Batch normalisation is digital.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, (width, stride) in enumerate(STAGES, 1):
            self.add_module(f"layer{stage}", Block(channels, width, stride))
            channels = width
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


@final
class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut: (B, inputs, H, W) to (B, width, H/stride, W/stride).

    Where the size changes, the shortcut takes every `stride`-th pixel and zeros for the channels that are new.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - inputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        short = x[:, :, :: self.stride, :: self.stride]
        if self.added:
            short = F.pad(short, (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        return F.relu(out + short)


NETWORK = Network(ResNet8, (3, 32, 32))
