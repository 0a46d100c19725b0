"""Base of convolutions of one, two and three axes: patches of maps as vectors, an array for each group."""

from __future__ import annotations

import abc
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import Faults, InvalidValue
from mho.kernels.feature_maps import Geometry, gather_patches, scatter_patches
from mho.kernels.ops import Floats
from mho.nn.array_layer import ArrayLayer
from mho.nn.kinds import LayerKind, Matrix, register, remake
from mho.nn.passage import PassageOf, passage_by_cycles

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""Names of the axes of maps."""
Sizes = int | tuple[int, ...]
"""One number for all axes, or one per axis."""


class Convolution(ArrayLayer):
    """A convolution as Gokmen 2017 maps it: a row for each kernel, a column for each element of a patch.

    The patches of a sample pass one after another, in the order of its output; the bias is a column driven by 1. Each
    of the `groups` has an array of its own. Padding is digital. Arguments as in torch.

    Patches are gathered from images: a sequence is an image of height 1, and the frames that a kernel of three axes
    sees at one depth are channels of one image.

    Attributes:
        limited: what pads and band-limits maps (B, C, ...) digitally before they are sent; None in most layers.
        margins: zeros before and behind each axis.
        edges: `margins` as `torch.nn.functional.pad` takes them, the last axis first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        rpu: RPU,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "conv",
    ) -> None:
        check_groups(in_channels, out_channels, groups, name)
        if padding_mode not in PADDING_MODES:
            raise InvalidValue(
                f"layer {name}: padding_mode is {padding_mode!r}; give one of {', '.join(PADDING_MODES)}"
            )
        kernel = each_axis("kernel_size", kernel_size, self.axes, name)
        super().__init__(
            rpu,
            [(out_channels // groups, in_channels // groups * math.prod(kernel))] * groups,
            bias=bias,
            seed=seed,
            replicas=replicas,
            name=name,
        )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel
        self.stride = each_axis("stride", stride, self.axes, name)
        self.dilation = each_axis("dilation", dilation, self.axes, name)
        self.padding = padding if isinstance(padding, str) else each_axis("padding", padding, self.axes, name, low=0)
        self.padding_mode = padding_mode
        self.margins = self._margins(name)
        self.edges = [size for margin in reversed(self.margins) for size in margin]
        self.limited: Callable[[Tensor], Tensor] | None = None
        self._geometries: dict[tuple[int, ...], Geometry] = {}
        self._sizes: dict[tuple[int, ...], tuple[int, ...]] = {}

    @property
    @abc.abstractmethod
    def axes(self) -> int:
        """Axes of a map, 1 to 3."""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def is_sample(self, shape: Sequence[int]) -> bool:
        return len(shape) == self.axes + 1

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) == self.axes + 2

    def prepare(self, x: Tensor) -> Tensor:
        if not self.takes(x.shape) or x.shape[1] != self.in_channels:
            raise InvalidValue(
                f"layer {self.name}: input of shape {tuple(x.shape)}; give (batch, {self.in_channels}, "
                f"{', '.join(AXES[self.axes])})"
            )
        if min(self.output_size(x.shape)) < 1:
            words = ("a sequence", "an image", "a volume")[self.axes - 1]
            raise InvalidValue(
                f"layer {self.name}: {words} of {by(x.shape[2:])} is smaller than the {by(self.kernel_size)} kernel "
                "reaches"
            )
        if self.limited is not None:
            return self.limited(x)
        if self.prepares:
            self._check_padding(x.shape[2:])
            x = F.pad(x, self.edges, mode=self.padding_mode)
        return x

    def _check_padding(self, sizes: Sequence[int]) -> None:
        """Raise where a padding would take more of a map than there is: all of it, or all but the edge of a mirror."""
        spared = {"reflect": 1, "circular": 0}.get(self.padding_mode)
        if spared is not None and any(max(margin) > n - spared for n, margin in zip(sizes, self.margins, strict=True)):
            raise InvalidValue(
                f"layer {self.name}: padding={self.padding!r} is too wide for maps of {by(sizes)}, of which "
                f"padding_mode={self.padding_mode!r} takes it; give larger maps, or a padding "
                f"{'below' if spared else 'of at most'} their size"
            )

    @property
    def prepares(self) -> bool:
        return self.limited is not None or (any(self.edges) and self.padding_mode != "zeros")

    def send(self, x: Tensor) -> list[Floats]:
        geometry = self.geometry(x.shape)
        maps = np.ascontiguousarray(x.numpy(), np.float32)  # kernels copy words of 32 bits, whatever they mean
        parts = np.split(maps, self.groups, axis=1) if self.groups > 1 else [maps]
        images = (np.ascontiguousarray(self._images(part)) for part in parts)
        vectors = (gather_patches(own, geometry, bias=self.has_bias) for own in images)
        positions = math.prod(self.output_size(self._bare(x.shape)))
        return [own.reshape(len(maps), positions, own.shape[-1]) for own in vectors]

    def receive(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        joined = answers[0] if self.groups == 1 else np.concatenate(answers, axis=2)
        maps = np.ascontiguousarray(joined.transpose(0, 2, 1))
        return torch.from_numpy(maps.reshape(shape[0], self.out_channels, *self.output_size(self._bare(shape))))

    def send_back(self, grad: Tensor) -> list[Floats]:
        maps = grad.numpy().reshape(*grad.shape[:2], math.prod(grad.shape[2:])).transpose(0, 2, 1)
        rows = np.ascontiguousarray(maps)
        if self.groups == 1:
            return [rows]
        return [np.ascontiguousarray(part) for part in np.split(rows, self.groups, axis=2)]

    def receive_back(self, answers: list[Floats], shape: torch.Size) -> Tensor:
        geometry, part = self.geometry(shape), (shape[0], shape[1] // self.groups, *shape[2:])
        maps = []
        for vectors in answers:
            images = np.zeros(self._image_shape(part), np.float32)
            scatter_patches(vectors.reshape(len(images), math.prod(geometry.out), vectors.shape[-1]), images, geometry)
            maps.append(self._maps(images, part))
        return torch.from_numpy(maps[0] if self.groups == 1 else np.concatenate(maps, axis=1))

    # From maps to images, and back ---------------------------------------------------------------

    def geometry(self, shape: Sequence[int]) -> Geometry:
        """Return how patches lie on the images of an input that `prepare` returned; zeros around are left to them."""
        size = tuple(shape)
        if size not in self._geometries:
            corner = [0] * self.axes if self._is_padded else [before for before, _ in self.margins]
            out = self.output_size(self._bare(size))
            kernel, stride, dilation = ((1, *own) for own in (self.kernel_size, self.stride, self.dilation))
            self._geometries[size] = Geometry(*map(_last_two, (kernel, stride, dilation, (0, *corner), (1, *out))))
        return self._geometries[size]

    def output_size(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the size of the output for an input (B, C, ...) of this shape."""
        sizes = tuple(shape[2:])
        if sizes not in self._sizes:  # five times per step
            axes = zip(sizes, self.margins, self.kernel_size, self.stride, self.dilation, strict=True)
            self._sizes[sizes] = tuple((n + sum(margin) - d * (k - 1) - 1) // s + 1 for n, margin, k, s, d in axes)
        return self._sizes[sizes]

    @property
    def _is_padded(self) -> bool:
        """Return whether what is sent has its padding already."""
        return self.limited is not None or self.padding_mode != "zeros"

    def _bare(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of an input from that of what `prepare` makes of it."""
        if not self._is_padded:
            return tuple(shape)
        return (*shape[:2], *(n - sum(margin) for n, margin in zip(shape[2:], self.margins, strict=True)))

    def _images(self, maps: Floats) -> Floats:
        """Return images of maps (S, C, ...): (S·D, C·k, H, W), where a kernel of depth k is put at D depths."""
        shape = self._image_shape(maps.shape)
        if self.axes == 3:
            whole = np.pad(maps, [(0, 0), (0, 0), self._depth_margin, (0, 0), (0, 0)])
            maps = whole[:, :, self._frames(maps.shape)].swapaxes(1, 2)
        return maps.reshape(shape)

    def _image_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the images of maps of this shape."""
        if self.axes < 3:
            return (*shape[:2], *(1,) * (2 - self.axes), *shape[2:])
        depths, seen = self._frames(shape).shape
        return (shape[0] * depths, shape[1] * seen, *shape[3:])

    def _maps(self, images: Floats, shape: Sequence[int]) -> Floats:
        """Return maps of this shape from errors of their images: the adjoint of `_images`."""
        if self.axes < 3:
            return images.reshape(shape)
        frames, (before, behind) = self._frames(shape), self._depth_margin
        samples, channels, depth, *size = shape
        deep = images.reshape(samples, len(frames), channels, frames.shape[1], *size)
        maps = np.zeros((samples, channels, before + depth + behind, *size), np.float32)
        for place, own in enumerate(frames.T):  # each depth of a map comes once in a column
            maps[:, :, own] += deep[:, :, :, place].swapaxes(1, 2)
        return np.ascontiguousarray(maps[:, :, before : before + depth])

    @property
    def _depth_margin(self) -> tuple[int, int]:
        return (0, 0) if self._is_padded else self.margins[0]

    def _frames(self, shape: Sequence[int]) -> Any:
        """Return which frames the kernel sees at each depth, (D, k)."""
        starts = np.arange(self.output_size(self._bare(shape))[0])[:, None] * self.stride[0]
        return starts + np.arange(self.kernel_size[0]) * self.dilation[0]

    def _margins(self, name: str) -> list[tuple[int, int]]:
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid") or (self.padding == "same" and set(self.stride) != {1}):
                raise InvalidValue(
                    f"layer {name}: padding is {self.padding!r}; give numbers, 'valid', or 'same' with stride 1"
                )
            reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [(n // 2, n - n // 2) if self.padding == "same" else (0, 0) for n in reach]
        return [(n, n) for n in self.padding]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # layouts are made anew: layouts that an earlier mho pickled may not have the form that this mho's kernels take
        super().__setstate__(state | {"_geometries": {}, "_sizes": {}})

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        usual = {"padding": (0,) * self.axes, "dilation": (1,) * self.axes, "groups": 1, "padding_mode": "zeros"}
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
            + "".join(f", {k}={getattr(self, k)!r}" for k, value in usual.items() if getattr(self, k) != value)
            + f", bias={self.has_bias}"
        )


def _last_two(numbers: tuple[int, ...]) -> tuple[int, int]:
    return (numbers[-2], numbers[-1])


def by(sizes: Sequence[int]) -> str:
    """Return sizes in words: "3×5"."""
    return "×".join(map(str, sizes))


def check_groups(in_channels: int, out_channels: int, groups: int, name: str) -> None:
    """Raise InvalidValue unless these are numbers of at least 1, and groups divide both numbers of channels."""
    faults = Faults(f"layer {name}")
    for label, value in {"in_channels": in_channels, "out_channels": out_channels, "groups": groups}.items():
        faults.number(label, value, low=1, integer=True)
    if not faults.found and (in_channels % groups or out_channels % groups):
        faults.add(f"{groups} groups; both {in_channels} input and {out_channels} output channels must divide")
    faults.raise_any()


def each_axis(label: str, value: Sizes, axes: int, name: str, *, low: int = 1) -> tuple[int, ...]:
    """Return one number per axis.

    Raises:
        InvalidValue: for another number of numbers, or what is no integer of at least `low`.
    """
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(sizes) != axes:
        raise InvalidValue(
            f"layer {name}: {label} is {value!r}; give one number, or {axes}, for {', '.join(AXES[axes])}"
        )
    if not all(isinstance(size, numbers.Integral) and size >= low for size in sizes):
        raise InvalidValue(f"layer {name}: {label} is {value!r}; give integers of at least {low}")
    return tuple(map(int, sizes))


def geometry_of(layer: Any) -> dict[str, Any]:
    """Return the arguments by which a convolution of torch has the geometry of a layer, or of another convolution."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    has_bias = layer.has_bias if isinstance(layer, ArrayLayer) else layer.bias is not None
    return {name: getattr(layer, name) for name in names} | {"bias": has_bias}


def _matrices(module: Any) -> list[Matrix]:
    weights = module.weight.flatten(1).chunk(module.groups)
    biases = [None] * module.groups if module.bias is None else module.bias.chunk(module.groups)
    return [Matrix(weight, bias) for weight, bias in zip(weights, biases, strict=True)]


def maps_fault(module: Any, shape: Sequence[int], axes: int) -> str | None:
    """Return what is wrong with maps for a convolution, or None."""
    fits = len(shape) in (axes + 1, axes + 2) and shape[-axes - 1] == module.in_channels
    return None if fits else f"it takes {module.in_channels}×{'×'.join(AXES[axes])}"


def register_convolution(
    replaces: type[nn.Module], layer: type[Convolution], axes: int, passage: Callable[[Any], PassageOf] | None = None
) -> LayerKind:
    """Register the kind of a convolution.

    Args:
        replaces: the torch type.
        layer: the layer on arrays.
        axes: number of axes of a map.
        passage: for the online driver; None: by the layer's own methods.
    """
    return register(
        LayerKind(
            replaces=replaces,
            layer=layer,
            make=remake(layer, geometry_of),
            matrices=_matrices,
            vectors=lambda given, answer: math.prod(answer) // answer[-axes - 1],
            fault=lambda module, shape: maps_fault(module, shape, axes),
            passage=passage or passage_by_cycles,
            twin=remake(replaces, geometry_of),
        )
    )
