"""Some replicas of an array, with buffers of their own, for a driver that repeats the same cycles."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays import Crossbar, check_lr, found_bad
from mho.kernels import ops
from mho.periphery import Pulses
from mho.random import Operation

Floats = npt.NDArray[np.float32]


@final
class Lane:
    """The three cycles of some replicas of a crossbar, T vectors at a time.

    The same kernels on the same state as the crossbar's own cycles, without checks or new memory. The numbers of the
    vectors stay the crossbar's: a step reads them, and whoever drives all lanes counts them on.
    """

    def __init__(self, array: Crossbar, replicas: slice, vectors: int) -> None:
        self.array, self.replicas = array, replicas
        self.state = array._view("state")[replicas]
        self.totals = array._view("totals")[replicas]
        self.cells = array._cells().part(replicas)
        self.keys = {operation: array._keys(operation)[replicas] for operation in Operation}
        self.levels = {operation: levels.part(replicas) for operation, levels in array._levels.items()}
        count = len(self.state)
        self.inputs: Floats = np.ones((count, vectors, array.in_features), np.float32)
        self.outputs: Floats = np.empty((count, vectors, array.out_features), np.float32)
        self.downwards: Floats = np.empty_like(self.inputs)
        self.drawn = ops.room_for_trains(count, vectors, array.in_features, self.state.shape[1])
        self._trains: dict[float, ops.Trains] = {}

    def forward(self) -> Floats:
        """Read `inputs` (R, T, in) into `outputs` (R, T, out)."""
        return self._read(Operation.FORWARD, self.inputs, self.outputs)

    def backward(self, errors: Floats) -> Floats:
        """Read δ (R, T, out) back into `downwards` (R, T, in)."""
        return self._read(Operation.BACKWARD, errors, self.downwards)

    def update(self, errors: Floats, lr: float) -> None:
        """Update with `inputs` and δ."""
        if not isinstance(self.array.rpu.update, Pulses):
            ops.exact_update(self.state, self.inputs, errors, lr, self.totals, backend=self.array.backend)
            return
        if lr not in self._trains:
            check_lr(lr)
            self._trains[lr] = self.array._trains(lr).part(self.replicas)
        stream = ops.Stream(self.keys[Operation.UPDATE], int(self.array._view("vectors")[Operation.UPDATE]))
        ops.update(
            self.state, self.cells, self.inputs, errors, self._trains[lr], stream, self.totals,
            backend=self.array.backend, drawn=self.drawn,
        )  # fmt: skip

    def check(self, errors: Floats | None) -> None:
        """Raise what a kernel has found wrong since the last call."""
        if found_bad(self.totals):
            raise self.array._not_finite(self.inputs, errors)

    def _read(self, operation: Operation, inputs: Floats, out: Floats) -> Floats:
        stream = ops.Stream(self.keys[operation], int(self.array._view("vectors")[operation]))
        return ops.read(
            self.state, inputs, out.shape[2], self.levels[operation], stream, self.totals,
            backward=operation is Operation.BACKWARD, evaluation=False, backend=self.array.backend, out=out,
        )  # fmt: skip
