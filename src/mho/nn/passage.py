"""How the online driver passes samples through the array of a layer: steps on memory that stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import final

import numpy as np
import torch

from mho.compiler.program import Step
from mho.errors import InvalidValue
from mho.nn.array_layer import ArrayLayer
from mho.nn.memory import Floats

Copy = Callable[[Floats, Floats], list[Step]]
"""Makes the steps that fill the second array from what lies in the first."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Passage:
    """Steps that take S samples of one shape through the array of a layer, and errors back.

    Attributes:
        vectors: T, vectors of a sample.
        sizes: of one output, as torch has it: (n,), or (C, H, W).
        channels_last: whether outputs lie as (H, W, C).
        send: from samples (S, ...) to the array's inputs (S, T, in), in which the bias column holds 1 already.
        receive_back: from δ of the inputs (S, T, in) to δ of the samples (S, ...).
        receive: from the array's outputs (S, T, out) to those of the layer (S, ...); None: they are the same numbers.
        send_back: from δ of the layer's outputs to δ of the array's; None where `receive` is None.
    """

    vectors: int
    sizes: tuple[int, ...]
    send: Copy
    receive_back: Copy
    channels_last: bool = False
    receive: Copy | None = None
    send_back: Copy | None = None

    def __post_init__(self) -> None:
        if (self.receive is None) != (self.send_back is None):
            raise InvalidValue("give both receive and send_back, or neither")


PassageOf = Callable[[int, tuple[int, ...]], Passage]
"""Makes the passage of S samples of a shape; raises InvalidValue with the reason where there is none."""


def passage_by_cycles(layer: ArrayLayer) -> PassageOf:
    """Make passages of any layer with one array from its own `send`, `receive`, `send_back` and `receive_back`."""

    def passage(samples: int, sizes: tuple[int, ...]) -> Passage:
        x = torch.zeros(samples, *sizes)
        if layer.prepare(x) is not x:
            raise InvalidValue(f"{layer.name} changes its input before it sends it")
        (inputs,) = layer.send(x)
        vectors = inputs.shape[1]
        answers = np.zeros((samples, vectors, layer.crossbars[0].out_features), np.float32)
        shape = x.shape

        def send(given: Floats, out: Floats) -> list[Step]:
            return [lambda: np.copyto(out, layer.send(torch.from_numpy(given))[0])]

        def receive(given: Floats, out: Floats) -> list[Step]:
            return [lambda: np.copyto(out, layer.receive([given], shape).numpy())]

        def send_back(given: Floats, out: Floats) -> list[Step]:
            return [lambda: np.copyto(out, layer.send_back(torch.from_numpy(given))[0])]

        def receive_back(given: Floats, out: Floats) -> list[Step]:
            return [lambda: np.copyto(out, layer.receive_back([given], shape).numpy())]

        return Passage(
            vectors=vectors,
            sizes=tuple(layer.receive([answers], shape).shape[1:]),
            send=send,
            receive=receive,
            send_back=send_back,
            receive_back=receive_back,
        )

    return passage
