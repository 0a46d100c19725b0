"""Random numbers of a Boltzmann machine: named by seed, purpose, number and turn, from generators without a state."""

from __future__ import annotations

import enum
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho import random

NAME = "boltzmann machine"


class Purpose(enum.IntEnum):
    """Purpose of drawn numbers. The values are part of every result: never renumber."""

    WEIGHTS = 0
    ORDER = 1
    TRAINING = 2
    SAMPLING = 3
    INFERENCE = 4
    ANNEALING = 5
    CORRUPTION = 6


@final
class Draws:
    """Numbers for one purpose and one number (a step, an epoch, a block): Philox4x64-10 of Salmon et al. 2011.

    The key is (seed, this module), the counter (place, turn, number, purpose), where the turn counts the calls. So a
    step draws what it draws, whatever came before it, and a checkpoint need hold nothing but the number of the step.

    Args:
        seed: from 0 to 2⁶³ - 1.
        purpose: what for.
        number: from 0 to 2⁶⁴ - 1.
    """

    def __init__(self, seed: int, purpose: Purpose, number: int = 0) -> None:
        self._key = np.array([seed, random.array_number(NAME)], np.uint64)
        self._purpose, self._number, self._turn = int(purpose), number, 0

    def words(self, count: int) -> npt.NDArray[np.uint32]:
        """Return the next `count` words of 32 random bits."""
        counter = np.array([0, self._turn, self._number, self._purpose], np.uint64)
        self._turn += 1
        raw = np.random.Philox(key=self._key, counter=counter).random_raw((count + 1) // 2)
        return np.asarray(raw, "<u8").view("<u4")[:count]

    def uniform(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return uniform numbers in (0, 1): the middles of 2²⁴ equal steps."""
        words = self.words(int(np.prod(shape)))
        values = ((words >> np.uint32(8)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
        # the middle of the last step rounds to 1 in float32
        np.minimum(values, np.float32(1 - 2.0**-24), out=values)
        return torch.from_numpy(values.reshape(shape)).to(dtype)

    def bernoulli(self, p: Tensor) -> Tensor:
        """Return 1 with probability p (to 2⁻²⁴), else 0, in the type of p."""
        return (self.uniform(tuple(p.shape), p.dtype) < p).to(p.dtype)

    def normal(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return standard normal numbers."""
        values = np.asarray(random.normal(self.words(int(np.prod(shape)))), np.float32)
        return torch.from_numpy(values.reshape(shape)).to(dtype)

    def order(self, count: int) -> Tensor:
        """Return the numbers from 0 to count - 1 in a random order."""
        high, low = self.words(count).astype(np.uint64), self.words(count).astype(np.uint64)
        return torch.from_numpy(np.argsort((high << np.uint64(32)) | low, kind="stable"))
