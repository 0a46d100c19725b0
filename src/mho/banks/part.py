"""Some replicas of a bank, as the memory that plans are bound to."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from mho import random
from mho.banks.visible import VisibleWeights
from mho.compiler.law import WRITTEN
from mho.compiler.program import Step
from mho.kernels.ops import Circuit, Counts, Drive, Floats, Population
from mho.kernels.records import Window
from mho.random import Operation

if TYPE_CHECKING:
    from mho.banks.bank import Bank

Rate = float | npt.NDArray[np.float64]
"""A learning rate: one number for all replicas, or (R,)."""
SetRate = Callable[[Rate], None]


@final
@dataclasses.dataclass(frozen=True)
class UpdatePlan:
    """An update that is bound to x and δ.

    Attributes:
        draw: draws the pulse trains; nothing where updates are exact.
        move: moves the devices.
        set_rate: takes the learning rate of the runs that follow.
        within: plans moves by the vectors of a window only, in place of `move`; nothing where updates are exact.
    """

    draw: list[Step]
    move: list[Step]
    set_rate: SetRate
    within: Callable[[Window], list[Step]] = lambda window: []


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """Stream of the random numbers of the pulses that a bank gets.

    Attributes:
        key: keys of each replica, (R, 2).
        number: number of the first vector, (1,), read at each run.
    """

    key: npt.NDArray[np.uint32]
    number: Counts


@final
@dataclasses.dataclass(frozen=True, eq=False)
class BankPart:
    """Some replicas of a bank: views of its memory, and plans over them.

    Attributes:
        bank: whose part it is.
        state: (R, P, N).
        reference: (R, M, N), what reads subtract, or None.
        population: the law with its fields and hidden states.
        counts: counters (R, SIZE).
        numbers: number of the next vector of each operation; whoever runs a plan counts them on.
        visible: what reads see.
        replicas: which they are.
    """

    bank: Bank
    state: Floats
    reference: Floats | None
    population: Population
    counts: Counts
    numbers: Counts
    visible: VisibleWeights
    replicas: slice

    def key(self, operation: Operation) -> npt.NDArray[np.uint32]:
        """Return the keys (R, 2) of the streams of an operation."""
        return self._streams[operation][0]

    def number(self, operation: Operation) -> Counts:
        """Return the memory, (1,), of the number of the operation's next vector."""
        return self._streams[operation][1]

    @functools.cached_property
    def _streams(self) -> list[tuple[npt.NDArray[np.uint32], Counts]]:
        """Return the keys and the place of the next number of every operation."""
        return [(self.bank.keys(o)[self.replicas], self.numbers[int(o) : int(o) + 1]) for o in Operation]

    def count_on(self, operation: Operation, vectors: int) -> None:
        """Add `vectors` to the number of the next vector of an operation."""
        self.numbers[int(operation)] += vectors

    def counted(self, operation: Operation, vectors: int) -> Step:
        """Plan to add `vectors` to the number of the next vector of an operation, as `count_on` does at once."""
        return self.bank.backend.plan_count(self.number(operation), vectors)

    def plan_read(
        self, weights: Floats, x: Floats, out: Floats, circuit: Circuit, operation: Operation,
        number: Counts | None = None, *, backward: bool = False,
    ) -> list[Step]:  # fmt: skip
        """Plan a read of a matrix (R, ..., N) through this bank's converters and noise.

        Args:
            weights: what is read, such as `visible.values`, or a sum with other banks'.
            x: inputs (R, T, N); backward δ (R, T, M).
            out: takes the outputs.
            circuit: the circuit.
            operation: whose stream the noise is of.
            number: number of the first vector; None: the operation's own running number.
            backward: whether columns answer to rows.
        """
        return self.bank.backend.plan_read(
            weights, x, out, circuit, self.key(operation), self.number(operation) if number is None else number,
            self.counts, backward=backward, evaluation=operation is Operation.EVALUATION,
        )  # fmt: skip

    def stream_from(self, source: str, number: Counts | None = None) -> Stream:
        """Return the stream of pulses that another bank sends, numbered by `number` (1,), or by new memory."""
        return Stream(self.bank.keys_from(source)[self.replicas], np.zeros(1, np.int64) if number is None else number)

    def plan_update(self, x: Floats, d: Floats, stream: Stream | None = None) -> UpdatePlan:
        """Plan an update with x (R, T, N) and δ (R, T, M), as the spec of the bank drives the lines.

        Args:
            x: input vectors.
            d: errors.
            stream: whose draws; None: the bank's own updates.
        """
        pulses = self.bank.pulses
        if not pulses:
            rate = np.zeros(len(self.state), np.float32)
            outer = self.bank.backend.plan_outer(self.state, x, d, rate, self.counts)
            return UpdatePlan([], [outer], lambda lr: np.copyto(rate, lr))
        drive, set_rate = self._driving if stream is None else self._new_driving()
        return self._plan_pulses(x, d, drive, set_rate, stream)

    def plan_pulses(self, p: Floats, q: Floats, length: int) -> UpdatePlan:
        """Plan pulses of given probabilities on columns p (R, T, N) and rows q (R, T, M), `length` slots per vector."""
        return self._plan_pulses(p, q, self._drive(length), lambda lr: None)

    def plan_relaxation(self, dt: Floats) -> list[Step]:
        """Plan the passing of a time dt[0] without pulses; nothing for devices that do not change by themselves."""
        if not self.population.model.ages:
            return []
        key, number = self.key(Operation.TIME), self.number(Operation.TIME)
        return [self.bank.backend.plan_relaxation(self.state, self.population, key, number, self.counts, dt)]

    @functools.cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Return w_min and w_max of every device, each (R, P, N)."""
        fields = self.population.broadcast(self.state.shape)
        return fields["w_min"], fields["w_max"]

    def put(self, values: Floats, where: npt.NDArray[np.bool_], error: Floats, number: int) -> None:
        """Program some devices, as far as their bounds allow.

        Args:
            values: weights, (R, P, N).
            where: the devices, (R, P, N).
            error: standard deviation of an error that is added, (R,).
            number: number of the programming, which names the draws of the error.
        """
        if error.any():
            keys, size = self.key(Operation.PROGRAMMING), values[0].size
            normals = np.stack([random.programming_normals(key, number, size) for key in keys])
            values = values + error[:, None, None] * normals.reshape(values.shape)
        values = np.clip(values, *self.bounds)
        np.copyto(self.state, values, where=where)
        for k, name in enumerate(self.population.model.hidden):
            np.copyto(self.population.hidden[:, k], values if name == WRITTEN else 0, where=where)
        self.touch()

    def add(self, change: Floats) -> None:
        """Add (R, M, N) exactly to every pulsed device of each weight."""
        np.add(self.state, np.tile(change, (1, self.bank.spec.lines, 1)), out=self.state)
        self.touch()

    def touch(self) -> None:
        """Note that an update is about to move the devices."""
        self.visible.touch()

    @functools.cached_property
    def _driving(self) -> tuple[Drive, SetRate]:
        """Return how updates drive the lines, and what sets the learning rate for all updates of this part."""
        return self._new_driving()

    def _new_driving(self) -> tuple[Drive, SetRate]:
        """Return memory for how lines are driven, and what sets the learning rate there."""
        pulses, own = self.bank.pulses[0][0], self.bank.pulses[self.replicas]
        drive = self._drive(
            pulses.length, managed=pulses.update_management, length_managed=pulses.length_management,
            deterministic=pulses.trains == "deterministic",
        )  # fmt: skip
        last: list[Any] = [()]

        def set_rate(lr: Rate) -> None:
            rates: Any = tuple(lr) if isinstance(lr, np.ndarray) else (lr,) * len(own)
            if rates != last[0]:
                gains = [each.gains(rate, step) for rate, (each, step) in zip(rates, own, strict=True)]
                drive.x_gain[...], drive.d_gain[...] = np.array(gains, np.float32).T
                last[0] = rates

        return drive, set_rate

    def _drive(self, length: int, **how: bool) -> Drive:
        ones = np.ones(len(self.state), np.float32)
        return Drive(ones, ones.copy(), length, **how)

    def _plan_pulses(
        self, x: Floats, d: Floats, drive: Drive, set_rate: SetRate, stream: Stream | None = None
    ) -> UpdatePlan:
        own = stream or Stream(self.key(Operation.UPDATE), self.number(Operation.UPDATE))
        backend, key, number = self.bank.backend, own.key, own.number
        draw, drawn = backend.plan_trains(x, d, self.state.shape[1], drive, key, number, self.counts)

        def moves(window: Window | None = None) -> list[Step]:
            return backend.plan_moves(self.state, self.population, drawn, key, number, self.counts, window=window)

        return UpdatePlan([draw], moves(), set_rate, moves)
