"""A mini-batch in blocks: vectors of a few samples at a time pass through arrays, in memory that layers share."""

from __future__ import annotations

import functools
from typing import final

import numpy as np

from mho.compiler.program import Step
from mho.kernels import ops
from mho.kernels.ops import Floats
from mho.kernels.scratch import room

NUMBERS = 2**18
"""Numbers of the inputs of an array that pass at a time for each thread, 1 MiB: they stay in a second-level cache
from the gathering of patches to the read, and to the drawing of trains."""


@final
class Blocks:
    """Samples (R·B, ...) of a mini-batch, in blocks of the same number of samples of each replica.

    Args:
        replicas: R.
        samples: R·B.
        numbers: numbers of the vectors that one sample sends through the largest array.
        threads: threads that share a block, sample by sample where patches are gathered.

    Attributes:
        count: number of blocks.
        samples: samples of a block, those of all replicas together.
    """

    def __init__(self, replicas: int, samples: int, numbers: int, threads: int) -> None:
        each = samples // replicas
        most = max(-(-threads // replicas), threads * NUMBERS // max(1, replicas * numbers))
        self._replicas = replicas
        self._size = max(size for size in range(1, min(most, each) + 1) if each % size == 0)
        self.count, self.samples = each // self._size, replicas * self._size

    def memory(self, shape: tuple[int, ...]) -> Floats | None:
        """Return memory for a block of samples of this shape, (R·B, ...); None where they lie side by side anyway."""
        return None if 1 in (self._replicas, self.count) else room((self.samples, *shape[1:]), np.float32)

    def taken(self, values: Floats, block: int, memory: Floats | None) -> tuple[list[Step], Floats]:
        """Plan to bring a block of samples to where they lie side by side, `memory` if given; return where."""
        own = self._own(values, block)
        if memory is None:
            return [], own.reshape(self.samples, *values.shape[1:])
        return [functools.partial(np.copyto, memory.reshape(own.shape), own)], memory

    def given(self, values: Floats, block: int, memory: Floats | None) -> tuple[list[Step], Floats]:
        """Plan to bring a block of samples back from `memory`, if given; return where they are to be written first."""
        own = self._own(values, block)
        if memory is None:
            return [], own.reshape(self.samples, *values.shape[1:])
        return [functools.partial(np.copyto, own, memory.reshape(own.shape))], memory

    def _own(self, values: Floats, block: int) -> Floats:
        """Return the samples of a block, of all samples (R·B, ...): a view (R, b, ...)."""
        whole = values.reshape(self._replicas, len(values) // self._replicas, *values.shape[1:])
        return whole[:, block * self._size : (block + 1) * self._size]


def copied(values: Floats, out: Floats) -> Step:
    """Plan a copy of samples (S, ...) to memory of as many numbers."""
    return ops.copy_columns(values.reshape(len(out), -1), out.reshape(len(out), -1))
