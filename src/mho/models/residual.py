"""Base of residual networks: their block, and the family for images of 32×32."""

from __future__ import annotations

import abc
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((16, 1), (32, 2), (64, 2))
"""Channels and first stride of each stage of the family for images of 32×32."""


@final
class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut: (B, inputs, H, W) to (B, width, H/stride, W/stride).

    Args:
        inputs: channels that come in.
        width: channels that go out.
        stride: stride of the first convolution.
        projected: where the size changes, the shortcut is a 1×1 convolution (option B of He et al. 2016); else it takes
            every `stride`-th pixel, and zeros for the channels that are new (option A).
    """

    def __init__(self, inputs: int, width: int, stride: int, *, projected: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, width - inputs
        changes = stride != 1 or inputs != width
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))
            if projected and changes
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.downsample is not None:
            short: Tensor = self.downsample(x)
            return short
        short = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        if self.added:
            short = F.pad(short, (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        return short


class SmallResNet(nn.Module, abc.ABC):
    """Residual network of 6n + 2 layers: images (B, 3, 32, 32) to logits (B, 10).

    K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016, arXiv 1512.03385, section 4.2: the family for CIFAR-10, three stages of
    n blocks of 16, 32 and 64 channels, and shortcuts without parameters (option A). Batch normalisation is digital.
    """

    @property
    @abc.abstractmethod
    def blocks(self) -> int:
        """Blocks of a stage, n."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, (width, stride) in enumerate(STAGES, 1):
            first = Block(channels, width, stride, projected=False)
            rest = [Block(width, width, 1, projected=False) for _ in range(self.blocks - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(first, *rest) if rest else first)
            channels = width
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits
