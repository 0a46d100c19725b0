"""A two-dimensional convolution on arrays."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import final

import numpy as np
from torch import nn

from mho.compiler.program import Step
from mho.errors import InvalidValue
from mho.kernels import feature_maps, ops
from mho.kernels.feature_maps import Geometry
from mho.kernels.ops import Floats
from mho.nn.conv.base import Convolution, register_convolution
from mho.nn.passage import Passage, PassageOf


@final
class Conv2d(Convolution):
    """`torch.nn.Conv2d` on arrays: patches of an image are vectors. Takes (R·B, C, height, width)."""

    axes = 2


def _passage(layer: Conv2d) -> PassageOf:
    """Pass the patches of a sample one after another, those of each group through an array of its own."""

    def passage(samples: int, sizes: tuple[int, ...]) -> Passage:
        if len(sizes) != 3 or sizes[0] != layer.in_channels:
            raise InvalidValue(f"layer {layer.name} takes maps of {layer.in_channels} channels, not {sizes}")
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
            send=lambda x, each: [feature_maps.gather(x, geometry, each[0], bias=layer.has_bias)],
            receive_back=lambda each, back: [ops.clear(back), feature_maps.scatter(each[0], back, geometry)],
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
            steps += [feature_maps.gather(own, geometry, inputs, bias=layer.has_bias)]
        return steps

    def receive_back(each: Sequence[Floats], back: Floats) -> list[Step]:
        steps: list[Step] = []
        for own, part, downwards in zip(maps, parts(back, 1), each, strict=True):
            steps += [
                ops.clear(own),
                feature_maps.scatter(downwards, own, geometry),
                functools.partial(np.copyto, part, own),
            ]
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


CONV2D = register_convolution(nn.Conv2d, Conv2d, 2, _passage)
