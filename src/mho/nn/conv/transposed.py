"""Transposed convolutions on arrays: every position of the input is a vector, and the answers are folded digitally."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.config import RPU
from mho.errors import InvalidValue
from mho.nn.composite import Composite, PartRPUs
from mho.nn.conv.base import AXES, Sizes, by, check_groups, each_axis, maps_fault
from mho.nn.conv.conv2d import Conv2d
from mho.nn.kinds import LayerKind, Matrix, Part, register, remake
from mho.nn.layer_cycles import check_tensor
from mho.nn.linear import Linear


class TransposedConvolution(Composite):
    """A transposed convolution: the array of `kernel` answers each position of the input with a patch of the output.

    Its matrix has a column for each input channel and a row for each element of a patch, one array for each of the
    `groups`. Patches are added where they overlap, digitally, and so is the bias: it has an array of its own, `offset`,
    of one column that is driven by 1 once for each sample, as a column of the kernel's array would be added once for
    each patch. Its update takes one vector for each sample, with δ summed over positions.

    Arguments are those of torch, and:

    Args:
        rpu: what the arrays are made of.
        layers: other RPUs by pattern of a part's name, {"offset": other_rpu}.
        seed: seed of replica 0, the others get seed + 1, ...; or one seed per replica.
        replicas: R.
        name: names the draws.

    Raises:
        InvalidValue: for groups that do not divide the channels, an output padding that torch refuses, or a pattern
            that matches no part.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        rpu: RPU,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "conv_transpose",
    ) -> None:
        super().__init__(name=name, replicas=replicas)
        check_groups(in_channels, out_channels, groups, name)
        self.in_channels, self.out_channels, self.groups, self.has_bias = in_channels, out_channels, groups, bias
        self.kernel_size = each_axis("kernel_size", kernel_size, self.axes, name)
        self.stride = each_axis("stride", stride, self.axes, name)
        self.padding = each_axis("padding", padding, self.axes, name, low=0)
        self.dilation = each_axis("dilation", dilation, self.axes, name)
        self.output_padding = each_axis("output_padding", output_padding, self.axes, name, low=0)
        for more, step, spread in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if more >= max(step, spread):
                raise InvalidValue(
                    f"layer {name}: output_padding is {more}; give a number from 0 to less than stride or dilation, "
                    f"here {max(step, spread)}"
                )
        rpus = PartRPUs(rpu, layers, ["kernel", *["offset"] * bias])
        own: dict[str, Any] = {"bias": False, "seed": seed, "replicas": replicas}
        patches = out_channels * math.prod(self.kernel_size)
        self.kernel = Conv2d(
            in_channels, patches, 1, groups=groups, rpu=rpus["kernel"], name=f"{name}.kernel", **own
        )  # each position is a vector
        self.offset = Linear(1, out_channels, rpu=rpus["offset"], name=f"{name}.offset", **own) if bias else None

    @property
    @abc.abstractmethod
    def axes(self) -> int:
        """Axes of a map, 1 or 2."""

    def takes(self, shape: Sequence[int]) -> bool:
        return len(shape) == self.axes + 2

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight of the torch layer."""
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    @property
    def weight(self) -> Tensor:
        """Exact weights in the shape of the torch layer's, (R, ...) where R > 1: a copy to read; `write` sets them."""
        groups = self.kernel.matrix().unflatten(1, (self.groups, -1)).mT
        return self._copied(groups.reshape(self.replicas, *self.weight_shape))

    @property
    def bias(self) -> Tensor | None:
        """Return the exact biases (out,), or (R, out) where R > 1: a read-only copy; None where the layer has none."""
        return None if self.offset is None else self._copied(self.offset.matrix()[..., 0])

    def _copied(self, values: Tensor) -> Tensor:
        return self._read_only(values.clone() if self.replicas > 1 else values[0].clone())

    def write(self, weight: Tensor, bias: Tensor | None = None) -> float:
        """Program the arrays so that they hold these weights, each clipped to the bounds of its devices.

        Args:
            weight: in the shape of `weight`, or of one replica for all alike.
            bias: (out,), or (R, out); None: the biases stay, if there are any.

        Returns:
            The share of the kernel's weights that bounds clipped, 0 to 1.

        Raises:
            InvalidValue: for another shape, values that are not finite, or a bias for a layer without bias.
        """
        given = torch.as_tensor(weight, dtype=torch.float32).detach()
        if tuple(given.shape) not in (self.weight_shape, (self.replicas, *self.weight_shape)):
            raise InvalidValue(f"layer {self.name}: weight has shape {tuple(given.shape)}; give {self.weight_shape}")
        if bias is not None and self.offset is None:
            raise InvalidValue(f"layer {self.name}: the layer has no bias; leave bias out")
        lead = given.shape[: given.dim() - len(self.weight_shape)]
        rows = given.reshape(*lead, self.groups, self.in_channels // self.groups, -1).mT
        share = self.kernel.write(rows.reshape(*lead, *self.kernel.weight_shape))
        if bias is not None and self.offset is not None:
            self.offset.write(torch.as_tensor(bias).unsqueeze(-1))
        return share

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return maps (R·B, out, ...) for maps (R·B, in, ...), or a sample (out, ...) for a sample (in, ...).

        Args:
            input: maps.
            output_size: size of the output, the last axes or all; None: as `output_padding` says.

        Raises:
            InvalidValue: for maps of another shape, or a size that the stride cannot give.
        """
        check_tensor(input, self.name)
        alone = input.dim() == self.axes + 1 and self.replicas == 1
        x = input.unsqueeze(0) if alone else input
        if x.dim() != self.axes + 2 or x.shape[1] != self.in_channels:
            raise InvalidValue(
                f"layer {self.name}: input of shape {tuple(input.shape)}; give (batch, {self.in_channels}, "
                f"{', '.join(AXES[self.axes])})"
            )
        more = self._more(x.shape[2:], output_size, input.dim())
        flat = 2 - self.axes  # a sequence is an image of height 1
        kernel, stride, dilation = ((1,) * flat + own for own in (self.kernel_size, self.stride, self.dilation))
        images = x.unsqueeze(2) if flat else x
        size = _reached(images.shape[2:], kernel, stride, dilation)
        patches = self.kernel(images).flatten(2)
        maps = F.fold(patches, size, kernel, dilation=dilation, stride=stride)
        maps = maps.squeeze(2) if flat else maps
        sides = zip(reversed(self.padding), reversed(more), strict=True)
        maps = F.pad(maps, [width for before, extra in sides for width in (-before, extra - before)])
        if self.offset is not None:
            maps = maps + self.offset(x.new_ones(len(x), 1)).reshape(len(x), self.out_channels, *[1] * self.axes)
        return maps.squeeze(0) if alone else maps

    def _more(self, sizes: Sequence[int], output_size: Sequence[int] | None, whole: int) -> tuple[int, ...]:
        """Return how much longer each axis of the output is than its shortest size; `whole`: axes of the input."""
        reached = _reached(sizes, self.kernel_size, self.stride, self.dilation)
        least = [n - 2 * p for n, p in zip(reached, self.padding, strict=True)]
        if output_size is None:
            more = self.output_padding
        else:
            wanted = tuple(output_size)[-self.axes :]
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            is_long = len(output_size) in (self.axes, whole)
            if not is_long or not all(low <= n <= high for low, n, high in zip(least, wanted, most, strict=True)):
                raise InvalidValue(
                    f"layer {self.name}: output_size is {tuple(output_size)}; for an input of {by(sizes)} give "
                    f"{self.axes} number{'s' if self.axes > 1 else ''} from {by(least)} to {by(most)}"
                )
            more = tuple(n - low for n, low in zip(wanted, least, strict=True))
        if min(n + extra for n, extra in zip(least, more, strict=True)) < 1:
            raise InvalidValue(
                f"layer {self.name}: an input of {by(sizes)} leaves no output with padding={self.padding}"
            )
        return more

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        usual = {"padding": 0, "output_padding": 0, "dilation": 1}
        options = {name: getattr(self, name) for name, own in usual.items() if set(getattr(self, name)) != {own}}
        options |= {"groups": self.groups} if self.groups > 1 else {}
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
            + "".join(f", {name}={value}" for name, value in options.items())
            + f", bias={self.has_bias}"
        )


@final
class ConvTranspose1d(TransposedConvolution):
    """`torch.nn.ConvTranspose1d` on arrays. Takes (R·B, C, length)."""

    axes = 1


@final
class ConvTranspose2d(TransposedConvolution):
    """`torch.nn.ConvTranspose2d` on arrays. Takes (R·B, C, height, width)."""

    axes = 2


def _reached(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """Return how far patches of an input of these sizes reach, before any padding."""
    axes = zip(sizes, kernel, stride, dilation, strict=True)
    return tuple((n - 1) * s + d * (k - 1) + 1 for n, k, s, d in axes)


OPTIONS = "in_channels out_channels kernel_size stride padding output_padding groups dilation"


def _arguments(layer: Any) -> dict[str, Any]:
    has_bias = layer.has_bias if isinstance(layer, TransposedConvolution) else layer.bias is not None
    return {name: getattr(layer, name) for name in OPTIONS.split()} | {"bias": has_bias}


def _parts(module: Any, axes: int) -> dict[str, Part]:
    kernel = [Matrix(weight.flatten(1).mT) for weight in module.weight.chunk(module.groups)]
    parts = {"kernel": Part(kernel, vectors=lambda given, answer: math.prod(given[0]) // given[0][-axes - 1])}
    if module.bias is not None:
        parts["offset"] = Part(
            [Matrix(module.bias[:, None])], vectors=lambda given, answer: math.prod(given[0][: -axes - 1])
        )
    return parts


def _register(replaces: type[nn.Module], layer: type[TransposedConvolution], axes: int) -> LayerKind:
    return register(
        LayerKind(
            replaces=replaces,
            layer=layer,
            make=remake(layer, _arguments),
            parts=lambda module: _parts(module, axes),
            vectors=lambda given, answer: math.prod(given) // given[-axes - 1],
            fault=lambda module, shape: maps_fault(module, shape, axes),
            digital=lambda layer: "patches folded digitally",
            twin=remake(replaces, _arguments),
        )
    )


_register(nn.ConvTranspose1d, ConvTranspose1d, 1)
_register(nn.ConvTranspose2d, ConvTranspose2d, 2)
