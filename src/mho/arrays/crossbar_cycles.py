"""Three cycles of a crossbar, bound to memory that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from mho.arrays.cycles import Cycles
from mho.arrays.faults import any_flag
from mho.banks import Rate
from mho.errors import MhoError
from mho.kernels import counts as count
from mho.kernels.ops import Counts
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
            self._banks = [(bank, bank.memory("vectors")) for bank in array._banks()]
            self._own = {bank.spec.name: numbers.copy() for bank, numbers in self._banks}
            self.part = array.part(replicas, self._own)
        else:
            self._banks, self._own, self.part = before._banks, before._own, before.part
        part = self.part
        super().__init__(part.replicas, vectors, array.out_features, array.in_features, kept=kept)
        cell = array.rpu.cell
        forward = cell.plan_read(
            part, self.inputs, self.outputs, array.circuit(Operation.FORWARD, replicas), Operation.FORWARD,
            backward=False,
        )  # fmt: skip
        backward = cell.plan_read(
            part, self.errors, self.downwards, array.circuit(Operation.BACKWARD, replicas), Operation.BACKWARD,
            backward=True,
        )  # fmt: skip
        self.preparing = part.preparing()
        self.forward = [*forward, *part.counted_reads(Operation.FORWARD, vectors)]
        self.backward = [*backward, *part.counted_reads(Operation.BACKWARD, vectors)]
        self._plan = cell.plan_update(part, self.inputs, self.errors)
        self.update = part.whole_update(self._plan, vectors)
        one = np.ones(1, np.float32)
        aging = [bank for bank in part.banks.values() if bank.population.model.ages]
        relaxations = [step for bank in aging for step in bank.plan_relaxation(one)]
        self.relax = (
            [*part.touched(), *relaxations, *(bank.counted(Operation.TIME, 1) for bank in aging)] if aging else []
        )

    def set_rate(self, lr: Rate) -> None:
        self._plan.set_rate(lr)

    @property
    def numbers(self) -> list[tuple[Counts, Counts]]:
        return [(of_array, self._own[bank.spec.name]) for bank, of_array in self._banks]

    @property
    def stale(self) -> bool:
        for bank, own in self._banks:  # noqa: SIM110 - a generator takes twice as long, and each step asks
            if bank.memory("vectors") is not own:
                return True
        return False

    @property
    def flags(self) -> list[Counts]:
        return [bank.counts[:, count.NOT_FINITE] for bank in self.part.banks.values()]

    def fault(self, *, x: bool, d: bool) -> MhoError | None:
        if not any_flag(self.flags):
            return None
        return self.array.fault(self.inputs if x else None, self.errors if d else None, relaxing=not (x or d))

    def forget(self) -> None:
        for bank in self.part.banks.values():
            bank.counts[:, count.NOT_FINITE] = 0
