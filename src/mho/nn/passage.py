"""Passage of samples through the arrays of a layer for the online driver: steps on memory that stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch

from mho.compiler.program import Step
from mho.errors import InvalidValue
from mho.kernels.ops import Floats
from mho.nn.array_layer import ArrayLayer

Spread = Callable[[Floats, Sequence[Floats]], list[Step]]
"""Makes the steps that fill the memory of each array from one array of all samples."""
Gather = Callable[[Sequence[Floats], Floats], list[Step]]
"""Makes the steps that fill one array of all samples from the memory of each array."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Passage:
    """Steps that take S samples of one shape through the arrays of a layer, and errors back.

    Attributes:
        vectors: T, vectors of a sample.
        sizes: sizes of one output, as torch has it: (n,), or (C, H, W).
        channels_last: whether outputs lie as (H, W, C).
        send: from samples (S, ...) to the inputs (S, T, in) of each array, with the 1 of a bias column.
        receive_back: from δ of each array's inputs (S, T, in) to δ of the samples (S, ...).
        receive: from each array's outputs (S, T, out) to those of the layer (S, ...); None: the layer has one array,
            and they are the same numbers.
        send_back: from δ of the layer's outputs to δ of each array's; None where `receive` is None.
    """

    vectors: int
    sizes: tuple[int, ...]
    send: Spread
    receive_back: Gather
    channels_last: bool = False
    receive: Gather | None = None
    send_back: Spread | None = None

    def __post_init__(self) -> None:
        if (self.receive is None) != (self.send_back is None):
            raise InvalidValue("give both receive and send_back, or neither")


PassageOf = Callable[[int, tuple[int, ...]], Passage]
"""Makes the passage of S samples of a shape; raises InvalidValue with the reason where there is none."""


def passage_by_cycles(layer: ArrayLayer) -> PassageOf:
    """Make passages of any layer from its own `send`, `receive`, `send_back` and `receive_back`."""

    def passage(samples: int, sizes: tuple[int, ...]) -> Passage:
        x = torch.zeros(samples, *sizes)
        if not layer.prepares and layer.prepare(x) is not x:
            raise InvalidValue(
                f"layer {layer.name} changes its input before it sends it, and `prepares` does not say so"
            )
        inputs = layer.send(x)
        vectors, shape = inputs[0].shape[1], x.shape
        answers = [np.zeros((samples, vectors, array.out_features), np.float32) for array in layer.crossbars]

        def send(given: Floats, each: Sequence[Floats]) -> list[Step]:
            return [lambda: _fill(each, layer.send(torch.from_numpy(given)))]

        def receive(each: Sequence[Floats], out: Floats) -> list[Step]:
            return [lambda: np.copyto(out, layer.receive(list(each), shape).numpy())]

        def send_back(given: Floats, each: Sequence[Floats]) -> list[Step]:
            return [lambda: _fill(each, layer.send_back(torch.from_numpy(given)))]

        def receive_back(each: Sequence[Floats], out: Floats) -> list[Step]:
            return [lambda: np.copyto(out, layer.receive_back(list(each), shape).numpy())]

        return Passage(
            vectors=vectors,
            sizes=tuple(layer.receive(answers, shape).shape[1:]),
            send=send,
            receive=receive,
            send_back=send_back,
            receive_back=receive_back,
        )

    return passage


def _fill(each: Sequence[Floats], values: Sequence[Floats]) -> None:
    for own, given in zip(each, values, strict=True):
        np.copyto(own, given)
