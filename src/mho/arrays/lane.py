"""Some replicas of an array, with buffers of their own, for a driver that repeats the same cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays.base import Floats, check_lr
from mho.arrays.crossbar import Crossbar
from mho.kernels import counts as count
from mho.kernels import ops
from mho.random import Operation

FORWARD, BACKWARD, UPDATE = int(Operation.FORWARD), int(Operation.BACKWARD), int(Operation.UPDATE)


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
        self.numbers = array._view("vectors")
        self.bad = self.totals[:, count.NOT_FINITE]
        shape = (len(self.state), vectors)
        self.inputs: Floats = np.ones((*shape, array.in_features), np.float32)
        self.outputs: Floats = np.empty((*shape, array.out_features), np.float32)
        self.errors: Floats = np.empty_like(self.outputs)
        self.downwards: Floats = np.empty_like(self.inputs)
        self._forward = self._reader(Operation.FORWARD, self.inputs, self.outputs)
        self._backward = self._reader(Operation.BACKWARD, self.errors, self.downwards)
        length = array._drives[0][0].length if array._drives else 0
        self._drawn = ops.room_for_trains(self.inputs, self.state.shape[1], length)
        self._updaters: dict[float, Callable[[int], None]] = {}

    def forward(self) -> None:
        """Read `inputs` (R, T, in) into `outputs` (R, T, out)."""
        self._forward(int(self.numbers[FORWARD]))

    def backward(self) -> None:
        """Read `errors`, δ (R, T, out), back into `downwards` (R, T, in)."""
        self._backward(int(self.numbers[BACKWARD]))

    def update(self, lr: float) -> None:
        """Update with `inputs` and `errors`."""
        if lr not in self._updaters:
            check_lr(lr)
            self._updaters = {lr: self._updater(lr)}
        self._updaters[lr](int(self.numbers[UPDATE]))

    @property
    def stale(self) -> bool:
        """Whether the array has got other memory or other seeds since, as by `load_state_dict`."""
        return self.array._view("vectors") is not self.numbers

    def check(self, cycle: int) -> None:
        """Raise what the kernels of a cycle have found wrong."""
        if self.bad[0] or (len(self.bad) > 1 and self.bad.any()):
            x, d = None if cycle == BACKWARD else self.inputs, None if cycle == FORWARD else self.errors
            raise self.array._not_finite(x, d)

    def forget(self) -> None:
        """Take what kernels have found wrong as told."""
        self.bad.fill(0)

    def _reader(self, operation: Operation, inputs: Floats, out: Floats) -> Callable[[int], None]:
        array = self.array
        return ops.reader(
            self.state, inputs, out, array._levels[operation].part(self.replicas), self._keys(operation), self.totals,
            backward=operation is Operation.BACKWARD, evaluation=False, backend=array.backend,
        )  # fmt: skip

    def _updater(self, lr: float) -> Callable[[int], None]:
        array = self.array
        if not array._drives:
            return lambda first: ops.exact_update(
                self.state, self.inputs, self.errors, lr, self.totals, backend=array.backend
            )
        return ops.updater(
            self.state, array._cells().part(self.replicas), self.inputs, self.errors,
            array._trains(lr).part(self.replicas), self._keys(Operation.UPDATE), self.totals, self._drawn,
            backend=array.backend,
        )  # fmt: skip

    def _keys(self, operation: Operation) -> npt.NDArray[np.uint32]:
        return self.array._keys(operation)[self.replicas]
