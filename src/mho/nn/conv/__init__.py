"""Convolutions on arrays: patches as vectors, and positions as vectors where the convolution is transposed."""

from mho.nn.conv.base import geometry_of
from mho.nn.conv.conv1d import Conv1d
from mho.nn.conv.conv2d import CONV2D, Conv2d
from mho.nn.conv.conv3d import Conv3d
from mho.nn.conv.transposed import ConvTranspose1d, ConvTranspose2d

__all__ = ["CONV2D", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "geometry_of"]
