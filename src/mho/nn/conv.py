"""A two-dimensional convolution on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mho.config import RPU
from mho.errors import InvalidValue
from mho.kernels.ops import Geometry, gather_patches, scatter_patches
from mho.nn.array_layer import ArrayLayer
from mho.nn.memory import Floats

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


@final
class Conv2d(ArrayLayer):
    """A convolution as Gokmen 2017 maps it: a row for each kernel, a column for each element of a patch.

    The patches of an image pass one after another; the bias is a column driven by 1. Each of the
    `groups` has an array of its own. Arguments as in `torch.nn.Conv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        rpu: RPU,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "conv",
    ) -> None:
        if in_channels % groups or out_channels % groups:
            raise InvalidValue(
                f"{name}: {groups} groups; both {in_channels} input and {out_channels} output channels must divide"
            )
        if padding_mode not in PADDING_MODES:
            raise InvalidValue(f"{name}: padding_mode is {padding_mode!r}; give one of {', '.join(PADDING_MODES)}")
        kernel, steps, spread = _pair(kernel_size), _pair(stride), _pair(dilation)
        patch = in_channels // groups * kernel[0] * kernel[1]
        super().__init__(
            rpu,
            [(out_channels // groups, patch)] * groups,
            bias=bias,
            seed=seed,
            replicas=replicas,
            name=name,
        )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = kernel, steps, spread
        self.padding_mode = padding_mode
        self._geometries: dict[tuple[int, ...], Geometry] = {}
        self.edges = _edges(padding, kernel, steps, spread, name)

    def forward(self, x: Tensor) -> Tensor:
        """(R·B, in_channels, H, W) to (R·B, out_channels, H', W')."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise InvalidValue(
                f"{self.name}: input of shape {tuple(x.shape)}; give (batch, {self.in_channels}, height, width)"
            )
        height, width = self.output_size(x.shape)
        if height < 1 or width < 1:
            raise InvalidValue(
                f"{self.name}: an image of {x.shape[2]}×{x.shape[3]} is smaller than the "
                f"{self.kernel_size[0]}×{self.kernel_size[1]} kernel reaches"
            )
        if any(self.edges) and self.padding_mode != "zeros":
            x = F.pad(x, self.edges, mode=self.padding_mode)
        answer: Tensor = self.respond(x)
        return answer

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) == 4

    def vectors(self, shape: Sequence[int]) -> int:
        height, width = self.output_size(shape)
        return height * width

    def send(self, x: Tensor) -> list[Floats]:
        geometry = self.geometry(x.shape)
        maps = np.ascontiguousarray(x.numpy(), np.float32)  # kernels copy words of 32 bits, whatever they mean
        parts = np.split(maps, self.groups, axis=1) if self.groups > 1 else [maps]
        vectors = [gather_patches(np.ascontiguousarray(part), geometry, bias=self.has_bias) for part in parts]
        return [v.reshape(self.replicas, -1, v.shape[2]) for v in vectors]

    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        out = self.geometry(shape).out
        joined = answers[0] if self.groups == 1 else np.concatenate(answers, axis=2)
        maps = joined.reshape(shape[0], out[0] * out[1], self.out_channels).transpose(0, 2, 1)
        return torch.from_numpy(np.ascontiguousarray(maps).reshape(shape[0], self.out_channels, *out))

    def send_back(self, grad: Tensor) -> list[Floats]:
        maps = grad.numpy().reshape(*grad.shape[:2], -1).transpose(0, 2, 1)
        rows = np.ascontiguousarray(maps).reshape(self.replicas, -1, self.out_channels)
        if self.groups == 1:
            return [rows]
        return [np.ascontiguousarray(part) for part in np.split(rows, self.groups, axis=2)]

    def receive_back(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        geometry, part = self.geometry(shape), (shape[0], shape[1] // self.groups, *shape[2:])
        maps = [np.zeros(part, np.float32) for _ in answers]
        for vectors, errors in zip(answers, maps, strict=True):
            scatter_patches(vectors.reshape(shape[0], -1, vectors.shape[2]), errors, geometry)
        return torch.from_numpy(maps[0] if self.groups == 1 else np.concatenate(maps, axis=1))

    def geometry(self, shape: Sequence[int]) -> Geometry:
        """How patches lie on an input (B, C, H, W), which `forward` has padded already unless it pads with zeros."""
        size = tuple(shape)
        if size not in self._geometries:
            left, right, top, bottom = self.edges
            padded = self.padding_mode != "zeros"
            bare = size if not padded else (*size[:2], size[2] - top - bottom, size[3] - left - right)
            corner = (0, 0) if padded else (top, left)
            self._geometries[size] = Geometry(
                self.kernel_size, self.stride, self.dilation, corner, self.output_size(bare)
            )
        return self._geometries[size]

    def output_size(self, shape: Sequence[int]) -> tuple[int, int]:
        """H' and W' for an input (B, C, H, W)."""
        left, right, top, bottom = self.edges
        grown = (shape[2] + top + bottom, shape[3] + left + right)
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return ((grown[0] - reach[0]) // self.stride[0] + 1, (grown[1] - reach[1]) // self.stride[1] + 1)

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"dilation={self.dilation}, groups={self.groups}, bias={self.has_bias}"
        )


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _edges(
    padding: int | tuple[int, int] | str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    name: str,
) -> tuple[int, int, int, int]:
    """Padding as `F.pad` takes it: left, right, top, bottom."""
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and stride != (1, 1)):
            raise InvalidValue(f"{name}: padding is {padding!r}; give numbers, 'valid', or 'same' with stride 1")
        total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        return (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
    rows, columns = _pair(padding)
    return (columns, columns, rows, rows)
