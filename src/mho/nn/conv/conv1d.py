"""A convolution of sequences on arrays."""

from __future__ import annotations

from typing import final

from torch import nn

from mho.nn.conv.base import Convolution, register_convolution


@final
class Conv1d(Convolution):
    """`torch.nn.Conv1d` on arrays: patches of a sequence are vectors. Takes (R·B, C, length)."""

    axes = 1


register_convolution(nn.Conv1d, Conv1d, 1)
