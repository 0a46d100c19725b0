"""Setting back the devices of one-sided cells before they come to the end of their range."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from mho import random
from mho.cells import OneSided
from mho.compiler.law import WRITTEN
from mho.kernels import ops

Floats = npt.NDArray[np.float32]
FIRST_NUMBER = 1 << 62
"""Refreshes are programmings that are numbered from here on, by the vectors seen."""


@final
class Refresh:
    """Refreshes cells of an array, or of some of its replicas, on their memory.

    Attributes:
        state: g⁺ above g⁻, (R, 2M, N).
    """

    def __init__(
        self,
        cell: OneSided,
        state: Floats,
        cells: ops.Cells,
        keys: npt.NDArray[np.uint32],
        refreshed: npt.NDArray[np.int64],
    ) -> None:
        self.cell, self.state, self.keys, self._refreshed = cell, state, keys, refreshed
        self._fields = cells.broadcast(state.shape)
        named = {name: cells.hidden[:, k] for k, name in enumerate(cells.model.hidden)}
        self._written = named.pop(WRITTEN, None)
        self._law_states = list(named.values())
        self._held = ops.held(cells.model, self._fields)
        self._low = lowest(self._fields)
        self._limit = self._low + np.float32(cell.refresh_at) * (self._fields["w_max"] - self._low)

    def after(self, first: int, vectors: int) -> None:
        """Look for cells to be refreshed, if it is time after an update with `vectors` from number `first` on."""
        every = self.cell.refresh_every
        if first // every == (first + vectors) // every:
            return
        half = self.state.shape[1] // 2
        full = self.state >= self._limit
        full = full[:, :half] | full[:, half:]
        if self._held is not None:  # a device that is stuck cannot be set back, and its partner holds the weight
            full &= ~(self._held[:, :half] | self._held[:, half:])
        if not full.any():
            return
        weights = self.state[:, :half] - self.state[:, half:]
        values = spread_over_pair(weights, self._low)
        if self.cell.refresh_error:
            shape = values.shape[1:]
            number = FIRST_NUMBER + first + vectors
            normals = [random.programming_normals(key, number, shape[0] * shape[1]) for key in self.keys]
            values += np.float32(self.cell.refresh_error) * np.stack(normals).reshape(values.shape)
        np.clip(values, self._fields["w_min"], self._fields["w_max"], out=values)
        moved = np.concatenate([full, full], axis=1)
        for each in (self.state, self._written):
            if each is not None:
                np.copyto(each, values, where=moved)
        for states in self._law_states:
            np.copyto(states, 0, where=moved)
        self._refreshed += full.sum(axis=(1, 2))


def lowest(fields: dict[str, Floats]) -> Floats:
    """The lowest level that both devices of each cell reach, for both: (R, 2M, N)."""
    low = fields["w_min"]
    half = low.shape[1] // 2
    both = np.maximum(low[:, :half], low[:, half:])
    return np.concatenate([both, both], axis=1)


def spread_over_pair(weights: Floats, low: Floats) -> Floats:
    """g⁺ and g⁻ (R, 2M, N) of weights (R, M, N): one of them at its lowest level."""
    above: Floats = np.concatenate([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=1)
    return low + above
