"""What reads see where it is not the state of the devices."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mho.kernels import counts as count
from mho.kernels import ops

Floats = npt.NDArray[np.float32]
CHANGED = -1


@final
class Sight:
    """The weights that a read sees: what the law shows of g, less g_ref where cells have a reference, or g⁺ less g⁻.

    Made anew for a read where something has changed since the last, or, where weights vary from read to read, for every
    vector. Kernels write through NumPy and tell by `touch`; what torch writes in place, such as a restored
    checkpoint, shows in the version counters of the tensors.

    Attributes:
        values: (R, M, N), or a line a device where several make a mean; valid after `refresh` or `look`; its memory
            stays.
        varies: whether every vector sees other weights: then `look` before each.
    """

    def __init__(
        self,
        state: Tensor,
        reference: Tensor | None,
        cells: ops.Cells,
        counts: ops.Counts,
        backend: ops.Backend,
        *,
        pairs: bool = False,
    ) -> None:
        self._tensors = (state,) if reference is None else (state, reference)
        self._state, self._reference = state.numpy(), None if reference is None else reference.numpy()
        self._cells, self._counts, self._backend = cells, counts, backend
        self._pairs = pairs
        self._shown: Floats = np.empty_like(self._state) if pairs and cells.shows else self._state
        half = self._state.shape[1] // 2
        self.values: Floats = np.empty_like(self._state[:, :half] if pairs else self._state)
        self.varies = cells.varies
        self._made = np.full(len(self.values), CHANGED, np.int64)

    def part(self, replicas: slice) -> Sight:
        """That of some replicas, on the same memory."""
        part = object.__new__(Sight)
        part._tensors, part._backend, part.varies = self._tensors, self._backend, self.varies
        part._state, part._shown, part._pairs = self._state[replicas], self._shown[replicas], self._pairs
        part._reference = None if self._reference is None else self._reference[replicas]
        part._cells, part._counts = self._cells.part(replicas), self._counts[replicas]
        part.values, part._made = self.values[replicas], self._made[replicas]
        return part

    def touch(self) -> None:
        """Take note that a kernel moves devices."""
        self._made.fill(CHANGED)

    def refresh(self) -> Floats:
        """Bring `values` up to date; once an update this costs a pass over the cells."""
        version = sum(_version(tensor) for tensor in self._tensors)
        if self._made[0] != version or (len(self._made) > 1 and bool((self._made != version).any())):
            self.look(np.zeros((len(self.values), 2), np.uint32), 0)
            sound = not self._counts[:, count.NOT_FINITE].any()
            self._made.fill(version if sound else CHANGED)
        return self.values

    def look(self, key: npt.NDArray[np.uint32], vector: int) -> Floats:
        """Make `values` what the vector of this number in the streams of key (R, 2) sees."""
        shown = self._state
        if self._cells.shows:
            number = np.array([vector], np.int64)
            shown = self._shown if self._pairs else self.values
            ops.seer(self._state, self._cells, key, number, self._counts, shown, backend=self._backend)()
        if self._pairs:
            half = shown.shape[1] // 2
            np.subtract(shown[:, :half], shown[:, half:], out=self.values)
        elif self._reference is not None:
            np.subtract(shown, self._reference, out=self.values)
        return self.values


def _version(tensor: Tensor) -> int:
    """How often torch has written into a tensor; what was made in inference mode is not counted."""
    return 0 if tensor.is_inference() else tensor._version
