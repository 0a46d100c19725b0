"""A two-dimensional convolution on arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.compiler.program import Step
from mho.config import RPU
from mho.errors import InvalidValue
from mho.kernels import ops
from mho.kernels.ops import Geometry, gather_patches, scatter_patches
from mho.nn.array_layer import ArrayLayer
from mho.nn.kinds import LayerKind, Matrix, register
from mho.nn.memory import Floats
from mho.nn.passage import Passage, PassageOf

USUAL = {"padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
"""What `print` leaves out."""
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


@final
class Conv2d(ArrayLayer):
    """A convolution as Gokmen 2017 maps it: a row for each kernel, a column for each element of a patch.

    The patches of an image pass one after another; the bias is a column driven by 1. Each of the
    `groups` has an array of its own. Arguments as in `torch.nn.Conv2d`.

    Attributes:
        limited: what pads and band-limits maps (B, C, H, W) digitally before they are sent; None in most layers.
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
        self.padding = padding if isinstance(padding, str) else _pair(padding)
        self.padding_mode = padding_mode
        self._geometries: dict[tuple[int, ...], Geometry] = {}
        self.edges = _edges(padding, kernel, steps, spread, name)
        self.limited: Callable[[Tensor], Tensor] | None = None

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def is_sample(self, shape: Sequence[int]) -> bool:
        return len(shape) == 3

    def prepare(self, x: Tensor) -> Tensor:
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
        if self.limited is not None:
            return self.limited(x)
        if self.prepares:
            x = F.pad(x, self.edges, mode=self.padding_mode)
        return x

    @property
    def prepares(self) -> bool:
        return self.limited is not None or (any(self.edges) and self.padding_mode != "zeros")

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) == 4

    def send(self, x: Tensor) -> list[Floats]:
        geometry = self.geometry(x.shape)
        maps = np.ascontiguousarray(x.numpy(), np.float32)  # kernels copy words of 32 bits, whatever they mean
        parts = np.split(maps, self.groups, axis=1) if self.groups > 1 else [maps]
        return [gather_patches(np.ascontiguousarray(part), geometry, bias=self.has_bias) for part in parts]

    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        out = self.geometry(shape).out
        joined = answers[0] if self.groups == 1 else np.concatenate(answers, axis=2)
        maps = joined.transpose(0, 2, 1)
        return torch.from_numpy(np.ascontiguousarray(maps).reshape(shape[0], self.out_channels, *out))

    def send_back(self, grad: Tensor) -> list[Floats]:
        maps = grad.numpy().reshape(*grad.shape[:2], -1).transpose(0, 2, 1)
        rows = np.ascontiguousarray(maps)
        if self.groups == 1:
            return [rows]
        return [np.ascontiguousarray(part) for part in np.split(rows, self.groups, axis=2)]

    def receive_back(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        geometry, part = self.geometry(shape), (shape[0], shape[1] // self.groups, *shape[2:])
        maps = [np.zeros(part, np.float32) for _ in answers]
        for vectors, errors in zip(answers, maps, strict=True):
            scatter_patches(vectors, errors, geometry)
        return torch.from_numpy(maps[0] if self.groups == 1 else np.concatenate(maps, axis=1))

    def geometry(self, shape: Sequence[int]) -> Geometry:
        """Return how patches lie on an input (B, C, H, W) that `prepare` returned; zeros around it are left to them."""
        size = tuple(shape)
        if size not in self._geometries:
            left, right, top, bottom = self.edges
            padded = self.limited is not None or self.padding_mode != "zeros"
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
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
            + "".join(
                f", {name}={getattr(self, name)!r}" for name, usual in USUAL.items() if getattr(self, name) != usual
            )
            + f", bias={self.has_bias}"
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


def _make(module: nn.Conv2d, **options: Any) -> Conv2d:
    return Conv2d(
        module.in_channels,
        module.out_channels,
        module.kernel_size,  # type: ignore[arg-type]
        stride=module.stride,  # type: ignore[arg-type]
        padding=module.padding,  # type: ignore[arg-type]
        dilation=module.dilation,  # type: ignore[arg-type]
        groups=module.groups,
        bias=module.bias is not None,
        padding_mode=module.padding_mode,
        **options,
    )


def geometry_of(layer: Conv2d) -> dict[str, Any]:
    """Return the arguments by which a convolution of torch has the geometry of a layer."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    return {name: getattr(layer, name) for name in names} | {"bias": layer.has_bias}


def _matrices(module: nn.Conv2d) -> list[Matrix]:
    weights = module.weight.flatten(1).chunk(module.groups)
    biases = [None] * module.groups if module.bias is None else module.bias.chunk(module.groups)
    return [Matrix(weight, bias) for weight, bias in zip(weights, biases, strict=True)]


def _fault(module: nn.Conv2d, shape: Sequence[int]) -> str | None:
    fits = len(shape) in (3, 4) and shape[-3] == module.in_channels
    return None if fits else f"it takes {module.in_channels}×height×width"


def _passage(layer: Conv2d) -> PassageOf:
    """Pass the patches of a sample one after another, those of each group through an array of its own."""

    def passage(samples: int, sizes: tuple[int, ...]) -> Passage:
        if len(sizes) != 3 or sizes[0] != layer.in_channels:
            raise InvalidValue(f"{layer.name} takes maps of {layer.in_channels} channels, not {sizes}")
        geometry = layer.geometry((samples, *sizes))
        height, width = geometry.out
        if height < 1 or width < 1:
            raise InvalidValue(f"maps of {sizes} are smaller than the kernel of {layer.name}")
        out = (layer.out_channels, height, width)
        if layer.groups > 1:
            return _grouped(layer, geometry, (samples, *sizes), out)
        return Passage(
            vectors=height * width,
            sizes=out,
            channels_last=True,
            send=lambda x, each: [ops.gather(x, geometry, each[0], bias=layer.has_bias)],
            receive_back=lambda each, back: [ops.clear(back), ops.scatter(each[0], back, geometry)],
        )

    return passage


def _grouped(layer: Conv2d, geometry: Geometry, shape: tuple[int, ...], out: tuple[int, ...]) -> Passage:
    """Return the passage of a convolution in groups: maps are cut for the groups, and their answers put together."""
    maps = [np.zeros((shape[0], shape[1] // layer.groups, *shape[2:]), np.float32) for _ in range(layer.groups)]

    def parts(values: Floats, axis: int) -> list[Floats]:
        return np.split(values, layer.groups, axis=axis)

    def flat(values: Floats) -> Floats:
        return values.reshape(shape[0], -1, layer.out_channels)

    def send(x: Floats, each: Sequence[Floats]) -> list[Step]:
        steps: list[Step] = []
        for own, part, inputs in zip(maps, parts(x, 1), each, strict=True):
            steps += [functools.partial(np.copyto, own, part)]
            steps += [ops.gather(own, geometry, inputs, bias=layer.has_bias)]
        return steps

    def receive_back(each: Sequence[Floats], back: Floats) -> list[Step]:
        steps: list[Step] = []
        for own, part, downwards in zip(maps, parts(back, 1), each, strict=True):
            steps += [ops.clear(own), ops.scatter(downwards, own, geometry), functools.partial(np.copyto, part, own)]
        return steps

    def receive(each: Sequence[Floats], whole: Floats) -> list[Step]:
        pairs = zip(parts(flat(whole), 2), each, strict=True)
        return [functools.partial(np.copyto, part, own) for part, own in pairs]

    def send_back(whole: Floats, each: Sequence[Floats]) -> list[Step]:
        pairs = zip(parts(flat(whole), 2), each, strict=True)
        return [functools.partial(np.copyto, own, part) for part, own in pairs]

    return Passage(
        vectors=out[1] * out[2],
        sizes=out,
        channels_last=True,
        send=send,
        receive_back=receive_back,
        receive=receive,
        send_back=send_back,
    )


CONV2D = register(
    LayerKind(
        replaces=nn.Conv2d,
        layer=Conv2d,
        make=_make,
        matrices=_matrices,
        vectors=lambda given, answer: math.prod(answer) // answer[-3],
        fault=_fault,
        passage=_passage,
        twin=lambda layer: nn.Conv2d(**geometry_of(layer)),
    )
)
