"""Some replicas of an array, with buffers of their own, for a driver that repeats the same cycles."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays.base import Floats, check_lr
from mho.arrays.crossbar import Crossbar
from mho.cells import OneSided
from mho.compiler.program import Step
from mho.kernels import counts as count
from mho.kernels import ops
from mho.random import Operation

FORWARD, BACKWARD, UPDATE = int(Operation.FORWARD), int(Operation.BACKWARD), int(Operation.UPDATE)


@final
class Lane:
    """The three cycles of some replicas of a crossbar, T vectors at a time, as steps to be done again and again.

    The same kernels on the same state as the crossbar's own cycles, without checks or new memory. Lanes may be at
    different steps, so each numbers its vectors itself: from `begin` on, until one of them `settle`s for all.

    Attributes:
        numbers: of the next vector, by operation; whoever drives the lane counts them on.
        forward: reads `inputs` (R, T, in) into `outputs` (R, T, out).
        backward: reads `errors`, δ (R, T, out), back into `downwards` (R, T, in).
        update: updates with `inputs` and `errors`, at the rate of `set_rate`.
    """

    def __init__(self, array: Crossbar, replicas: slice, vectors: int) -> None:
        self.array, self.replicas = array, replicas
        self.state = array._view("state")[replicas]
        sight = array._sight()
        self.sight = None if sight is None else sight.part(replicas)
        self.totals = array._view("totals")[replicas]
        self._numbers = array._view("vectors")
        self.numbers = self._numbers.copy()
        self.bad = self.totals[:, count.NOT_FINITE]
        shape = (len(self.state), vectors)
        self.inputs: Floats = np.ones((*shape, array.in_features), np.float32)
        self.outputs: Floats = np.empty((*shape, array.out_features), np.float32)
        self.errors: Floats = np.empty_like(self.outputs)
        self.downwards: Floats = np.empty_like(self.inputs)
        self.forward = self._reader(Operation.FORWARD, self.inputs, self.outputs)
        self.backward = self._reader(Operation.BACKWARD, self.errors, self.downwards)
        self._rate = np.zeros(1, np.float32)
        self._gains = array._trains(1.0).part(replicas) if array._drives else None
        self.update = self._updater()
        self._lr = math.nan

    def prepare(self) -> None:
        """Bring what reads see up to date: before a forward and the backward that follows it."""
        if self.sight is not None and not self.sight.varies:
            self.sight.refresh()

    def touch(self) -> None:
        """Take note that an update is about to move the devices."""
        if self.sight is not None:
            self.sight.touch()

    def set_rate(self, lr: float) -> None:
        """Updates take this learning rate from now on."""
        if lr != self._lr:
            check_lr(lr)
            self._rate[0], self._lr = lr, lr
            if self._gains is not None:
                gains = self.array._trains(lr).part(self.replicas)
                self._gains.x_gain[...], self._gains.d_gain[...] = gains.x_gain, gains.d_gain

    def begin(self) -> None:
        """Take the crossbar's numbers."""
        self.numbers[...] = self._numbers

    def settle(self) -> None:
        """Give the crossbar the numbers that this lane has come to."""
        self._numbers[...] = self.numbers

    @property
    def stale(self) -> bool:
        """Whether the array has got other memory or other seeds since, as by `load_state_dict`."""
        return self.array._view("vectors") is not self._numbers

    def check(self, cycle: int) -> None:
        """Raise what the kernels of a cycle have found wrong."""
        if self.bad[0] or (len(self.bad) > 1 and self.bad.any()):
            x, d = None if cycle == BACKWARD else self.inputs, None if cycle == FORWARD else self.errors
            raise self.array._not_finite(x, d)

    def forget(self) -> None:
        """Take what kernels have found wrong as told."""
        self.bad.fill(0)

    def _reader(self, operation: Operation, inputs: Floats, out: Floats) -> Step:
        array = self.array
        if self.sight is not None and self.sight.varies:
            return self._varied_reader(operation, inputs, out)
        seen = self.state if self.sight is None else self.sight.values
        return ops.reader(
            seen, inputs, out, array._levels[operation].part(self.replicas), self._keys(operation),
            self._number(operation), self.totals,
            backward=operation is Operation.BACKWARD, evaluation=False, backend=array.backend,
        )  # fmt: skip

    def _varied_reader(self, operation: Operation, inputs: Floats, out: Floats) -> Step:
        """A read in which every vector sees weights of its own."""
        array, sight, key = self.array, self.sight, self._keys(operation)
        assert sight is not None
        first, last = self._number(operation), np.zeros(1, np.int64)
        one_in, one_out = np.empty_like(inputs[:, :1]), np.empty_like(out[:, :1])
        read = ops.reader(
            sight.values, one_in, one_out, array._levels[operation].part(self.replicas), key, last, self.totals,
            backward=operation is Operation.BACKWARD, evaluation=False, backend=array.backend,
        )  # fmt: skip

        def read_all() -> None:
            for t in range(inputs.shape[1]):
                last[0] = first[0] + t
                sight.look(key, int(last[0]))
                one_in[...] = inputs[:, t : t + 1]
                read()
                out[:, t : t + 1] = one_out

        return read_all

    def _updater(self) -> list[Step]:
        array = self.array
        if self._gains is None:
            exact = ops.exact_updater(
                self.state, self.inputs, self.errors, self._rate, self.totals, backend=array.backend
            )
            return [exact]
        drawn = ops.room_for_trains(self.inputs, self.state.shape[1], self._gains.length)
        cells, key, number = (
            array._cells().part(self.replicas),
            self._keys(Operation.UPDATE),
            self._number(Operation.UPDATE),
        )
        steps = ops.updater(
            self.state, cells, self.inputs, self.errors, self._gains, key, number, self.totals, drawn,
            backend=array.backend,
        )  # fmt: skip
        if isinstance(array.rpu.cell, OneSided):
            refresh, first, vectors = array._refresh(array.rpu.cell, self.replicas), number, self.inputs.shape[1]

            def refresh_if_due() -> None:
                refresh.after(int(first[0]), vectors)

            steps.append(refresh_if_due)
        if cells.ages:
            one = np.ones(1, np.float32)
            steps.append(ops.rester(self.state, cells, key, number, self.totals, one, backend=array.backend))
        return steps

    def _number(self, operation: Operation) -> npt.NDArray[np.int64]:
        """Where the number of the operation's next vector stands."""
        return self.numbers[int(operation) : int(operation) + 1]

    def _keys(self, operation: Operation) -> npt.NDArray[np.uint32]:
        return self.array._keys(operation)[self.replicas]
