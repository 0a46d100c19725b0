"""What reads see of cells with a reference device."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

Floats = npt.NDArray[np.float32]
CHANGED = -1


@final
class Difference:
    """g - g_ref, made anew for a read where one of them has changed since the last.

    Kernels write through NumPy and tell by `touch`; what torch writes in place, such as a restored checkpoint, shows in
    the version counters of the two tensors.

    Attributes:
        values: (R, P, N), valid after `refresh`; its memory stays.
    """

    def __init__(self, state: Tensor, reference: Tensor) -> None:
        self._tensors = (state, reference)
        self._state, self._reference = state.numpy(), reference.numpy()
        self.values: Floats = np.empty_like(self._state)
        self._made = np.full(len(self.values), CHANGED, np.int64)

    def part(self, replicas: slice) -> Difference:
        """That of some replicas, on the same memory."""
        part = object.__new__(Difference)
        part._tensors = self._tensors
        part._state, part._reference = self._state[replicas], self._reference[replicas]
        part.values, part._made = self.values[replicas], self._made[replicas]
        return part

    def touch(self) -> None:
        """Take note that a kernel moves g."""
        self._made.fill(CHANGED)

    def refresh(self) -> Floats:
        """Bring `values` up to date; once an update this costs a pass over the cells."""
        state, reference = self._tensors
        version = _version(state) + _version(reference)
        if self._made[0] != version or (len(self._made) > 1 and bool((self._made != version).any())):
            np.subtract(self._state, self._reference, out=self.values)
            self._made.fill(version)
        return self.values


def _version(tensor: Tensor) -> int:
    """How often torch has written into a tensor; what was made in inference mode is not counted."""
    return 0 if tensor.is_inference() else tensor._version
