"""Matrix of a bank as reads see it, where it is not the state of its devices."""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mho.compiler.program import Step
from mho.kernels import counts as count
from mho.kernels import stops
from mho.kernels.backend import Backend
from mho.kernels.ops import Counts, Floats, Population

UNMADE = -1


@final
class VisibleWeights:
    """Weights of a bank as reads see them: as the law shows them, less references, or one device less another.

    Computed anew for a read where something has changed since the last, or, where weights vary from read to read, for
    every vector. Kernels write through the memory of tensors and say so by `touch`; what torch writes in place, such as
    a restored checkpoint, shows in the version counters of the tensors.

    Attributes:
        values: (R, M, N) of a difference, else (R, P, N); valid after `refresh` or `look`; its memory stays. It is the
            state itself where reads see just that.
        varies: whether every vector sees other weights: then call `look` before each.
    """

    def __init__(
        self,
        state: Tensor,
        reference: Tensor | None,
        population: Population,
        counts: Counts,
        backend: Backend,
        *,
        pairs: bool = False,
    ) -> None:
        self._tensors = (state,) if reference is None else (state, reference)
        self._state: Floats = backend.memory(state)
        self._reference: Floats | None = None if reference is None else backend.memory(reference)
        self._population, self._counts, self._backend = population, counts, backend
        self._pairs = pairs
        self.varies = population.model.varies
        self.plain = not population.model.shows and not pairs and reference is None
        self._shown: Floats = np.empty_like(self._state) if pairs and population.model.shows else self._state
        half = self._state.shape[1] // 2
        shape = self._state[:, :half] if pairs else self._state
        self.values: Floats = self._state if self.plain else np.empty_like(shape)
        self._made = np.full(len(self.values), UNMADE, np.int64)
        self._changes = np.zeros(len(self.values), np.int64)
        self._number = np.zeros(1, np.int64)

    def part(self, replicas: slice) -> VisibleWeights:
        """Return the weights of some replicas, on the same memory."""
        part = copy.copy(self)
        part._state, part._shown = self._state[replicas], self._shown[replicas]
        part._reference = None if self._reference is None else self._reference[replicas]
        part._population, part._counts = self._population.part(replicas), self._counts[replicas]
        part.values, part._made = self.values[replicas], self._made[replicas]
        part._changes = self._changes[replicas]
        part._number = np.zeros(1, np.int64)
        return part

    def touch(self) -> None:
        """Note that a kernel moves devices: the visible weights are computed anew for the next read."""
        self._changes += 1

    def touched(self) -> list[Step]:
        """Plan to note that a kernel moves devices, as `touch` does at once."""
        return [self._backend.plan_count(self._changes, 1)]

    def stamp(self) -> Counts:
        """Return a number (R,) that grows with every change of the devices."""
        return self._changes + sum(_version(tensor) for tensor in self._tensors)

    def refresh(self) -> None:
        """Bring `values` up to date where they do not vary; once per update this costs a pass over the devices."""
        if self.plain or self.varies:
            return
        stamp = self.stamp()
        if self._made[0] != stamp[0] or (len(self._made) > 1 and bool((self._made != stamp).any())):
            self.look(np.zeros((len(self.values), 2), np.uint32), 0)
            sound = not self._counts[:, count.NOT_FINITE].any()
            self._made[...] = stamp if sound else UNMADE

    def plan_columns(self, columns: Counts, out: Floats) -> Step:
        """Plan a copy of K columns (K,) as reads see them to out (R, P, K); not where they vary from read to read.

        Pulses since the last read are seen, whether or not `touch` was called for them.
        """
        if not (self._population.model.shows or self._pairs):  # no need to compute all others anew
            return stops.take_columns(self._state, self._reference, columns, out)

        def copy() -> None:
            self.touch()
            self.refresh()
            out[...] = self.values[:, :, columns]

        return copy

    def look(self, key: npt.NDArray[np.uint32], vector: int) -> None:
        """Compute what the vector of this number in the streams of key (R, 2) sees."""
        if self.plain:
            return
        shown: Any = self._state
        if self._population.model.shows:
            self._number[0] = vector
            shown = self._shown if self._pairs else self.values
            self._backend.plan_visible(self._state, self._population, key, self._number, self._counts, shown)()
        if self._pairs:
            half = shown.shape[1] // 2
            np.subtract(shown[:, :half], shown[:, half:], out=self.values)
        elif self._reference is not None:
            np.subtract(shown, self._reference, out=self.values)


def _version(tensor: Tensor) -> int:
    """Return how often torch has written into a tensor; a tensor made in inference mode is not counted."""
    return 0 if tensor.is_inference() else tensor._version
