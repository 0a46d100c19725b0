"""Three cycles of a crossbar, bound to memory that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from mho.arrays.cycles import Cycles
from mho.arrays.faults import is_flagged
from mho.banks import Rate
from mho.compiler.program import Step
from mho.errors import MhoError
from mho.kernels import counts as count
from mho.kernels import ops
from mho.random import Operation

if TYPE_CHECKING:
    from mho.arrays.crossbar import Crossbar


@final
class CrossbarCycles(Cycles):
    """Cycles of some replicas of a crossbar."""

    def __init__(
        self, array: Crossbar, replicas: slice, vectors: int, before: CrossbarCycles | None, *, kept: bool
    ) -> None:
        self.array = array
        if before is None:
            self._own = {bank.spec.name: bank.memory("vectors") for bank in array._banks()}
            self._numbers = {name: numbers.copy() for name, numbers in self._own.items()}
            self.part = array.part(replicas, self._numbers)
        else:
            self._own, self._numbers, self.part = before._own, before._numbers, before.part
        part = self.part
        super().__init__(part.replicas, vectors, array.out_features, array.in_features, kept=kept)
        cell = array.rpu.cell
        self.forward = cell.plan_read(
            part, self.inputs, self.outputs, array.circuit(Operation.FORWARD, replicas), Operation.FORWARD,
            backward=False,
        )  # fmt: skip
        self.backward = cell.plan_read(
            part, self.errors, self.downwards, array.circuit(Operation.BACKWARD, replicas), Operation.BACKWARD,
            backward=True,
        )  # fmt: skip
        self._plan = cell.plan_update(part, self.inputs, self.errors)
        self.update = [*self._plan.draw, *self._plan.move]
        one = np.ones(1, np.float32)
        self._aging = [bank for bank in part.banks.values() if bank.population.model.ages]
        self.relax = [step for bank in self._aging for step in bank.plan_relaxation(one)]

    def prepare(self) -> None:
        self.part.prepare()

    def touch(self) -> None:
        self.part.touch()

    def set_rate(self, lr: Rate) -> None:
        self._plan.set_rate(lr)

    def begin(self) -> None:
        for name, numbers in self._numbers.items():
            numbers[...] = self._own[name]

    def store_numbers(self) -> None:
        for name, numbers in self._numbers.items():
            self._own[name][...] = numbers

    def count_on(self, *, forward: bool = False, backward: bool = False, update: bool = False) -> None:
        if forward:
            self.part.count_reads(Operation.FORWARD, self.vectors)
        if backward:
            self.part.count_reads(Operation.BACKWARD, self.vectors)
        if update:
            self.part.first.count_on(Operation.UPDATE, self.vectors)

    def counted(self, operation: Operation) -> list[Step]:
        update = operation is Operation.UPDATE
        banks = [self.part.first] if update else [each.reader for each in self.part.sums]
        return [ops.count_on(bank.number(operation), self.vectors) for bank in banks]

    def count_time(self) -> None:
        for bank in self._aging:
            bank.count_on(Operation.TIME, 1)

    @property
    def stale(self) -> bool:
        return any(bank.memory("vectors") is not self._own[bank.spec.name] for bank in self.array._banks())

    @property
    def flagged(self) -> bool:
        return any(is_flagged(bank.counts) for bank in self.part.banks.values())

    def fault(self, *, x: bool, d: bool) -> MhoError | None:
        if not self.flagged:
            return None
        return self.array.fault(self.inputs if x else None, self.errors if d else None, relaxing=not (x or d))

    def forget(self) -> None:
        for bank in self.part.banks.values():
            bank.counts[:, count.NOT_FINITE] = 0
