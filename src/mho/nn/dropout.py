"""Dropout from our own streams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mho import random
from mho.arrays import seed_list
from mho.errors import InvalidValue, InWords
from mho.random import Operation


@final
class Dropout(nn.Module, metaclass=InWords):
    """`torch.nn.Dropout` (or, with `channels`, `Dropout2d`) whose masks are named like every other draw.

    A mask depends on seed, layer name, the running number of the sample and the element, so a replica drops
    what it would drop alone, and a resumed run what it would have dropped.
    """

    samples: Tensor
    seeds: Tensor

    def __init__(
        self,
        p: float = 0.5,
        *,
        channels: bool = False,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "dropout",
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise InvalidValue(f"layer {name}: p is {p!r}; give a probability from 0 to 1")
        self.p, self.channels, self.name = p, channels, name
        self.register_buffer("seeds", torch.tensor(seed_list(seed, replicas)))
        self.register_buffer("samples", torch.zeros(1, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Zero elements (or channels) of (R·B, ...) with probability p and scale the rest by 1/(1 - p)."""
        if not self.training or self.p == 0:
            return x
        replicas = self.seeds.numel()
        factors = torch.from_numpy(self.factors(x.shape, slice(0, replicas), int(self.samples.item())))
        self.count_on(x.shape[0] // replicas)
        return x * factors

    def factors(self, shape: Sequence[int], replicas: slice, first: int) -> npt.NDArray[np.float32]:
        """Return the factors, 0 or 1/(1 - p), of samples (R·B, ...) of some replicas, float32.

        Args:
            shape: shape of the samples, (R·B, ...), R the number of these replicas.
            replicas: the replicas, a slice.
            first: number of the first sample of each replica, from 0, which names its draws.
        """
        seeds = self.seeds.tolist()[replicas]
        batch = shape[0] // len(seeds)
        own = tuple(shape[1:2] if self.channels else shape[1:])
        numbers = np.uint64(first) + np.arange(batch, dtype=np.uint64)
        elements = np.arange(math.prod(own), dtype=np.uint32)
        keep = np.empty((len(seeds), batch, elements.size), np.float32)
        for r, seed in enumerate(seeds):
            key = random.stream_key(seed, random.array_number(self.name), Operation.DROPOUT)
            words: Any = random.vector_keys(key[:1], key[1:], numbers, np.zeros(1, np.uint32))
            bits = random.mix(elements, words[0][:, None], words[1][:, None])
            keep[r] = random.uniform(bits) >= self.p
        if self.p < 1:
            keep /= np.float32(1 - self.p)
        factors = keep.reshape(shape[0], *own)
        if self.channels:
            factors = factors.reshape(*factors.shape, *([1] * (len(shape) - 2)))
        return factors

    def count_on(self, samples: int) -> None:
        """Add `samples` to the number of the next sample."""
        self.samples += samples

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        if not any(key.startswith(prefix) for key in state):  # a state of torch, whose dropout has none: streams go on
            state.update(self.state_dict(prefix=prefix))
        super()._load_from_state_dict(state, prefix, *arguments)

    def twin(self) -> nn.Module:
        """Return the torch module that this module replaces."""
        return nn.Dropout2d(self.p) if self.channels else nn.Dropout(self.p)

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        return f"p={self.p}, channels={self.channels}"
