"""A convolution of volumes on arrays."""

from __future__ import annotations

from typing import final

from torch import nn

from mho.nn.conv.base import Convolution, register_convolution


@final
class Conv3d(Convolution):
    """`torch.nn.Conv3d` on arrays: patches of a volume are vectors. Takes (R·B, C, depth, height, width)."""

    axes = 3


register_convolution(nn.Conv3d, Conv3d, 3)
