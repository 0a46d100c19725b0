"""Some replicas of an array, as the memory that a cell's plans are bound to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, final

import numpy.typing as npt

from mho.banks import BankPart, UpdatePlan
from mho.compiler.program import Step
from mho.kernels.ops import Floats
from mho.per_replica import of_replica
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.base import Cell
    from mho.cells.sums import Sum


@final
@dataclasses.dataclass(eq=False)
class CellPart:
    """Banks and digital buffers of some replicas of an array.

    Attributes:
        cell: the description.
        banks: by name, in the order of the cell; updates pulse the first.
        buffers: digital memory by name, arrays with the replicas first.
        rows: M of the matrix.
        columns: N of the matrix.
        settings: numbers of the cell by replica, (R, S), the last of them the learning rate of the update.
        sums: what reads see; set once the part is complete.
    """

    cell: Cell
    banks: dict[str, BankPart]
    buffers: dict[str, npt.NDArray[Any]]
    rows: int
    columns: int
    settings: Floats
    sums: tuple[Sum, ...] = ()

    @property
    def first(self) -> BankPart:
        """Return the bank that updates pulse, whose streams are the array's."""
        return next(iter(self.banks.values()))

    @property
    def replicas(self) -> int:
        """Return R, the number of replicas of this part."""
        return len(self.first.state)

    def setting(self, name: str) -> Floats:
        """Return a setting of the cell that is a number, by the name of its field, for each replica, (R,) float32."""
        place = list(of_replica(self.cell, 0).numbers()).index(name)  # type: ignore[type-var]
        return self.settings[:, place]

    def prepare(self) -> None:
        """Compute the weights that reads see, before a forward read and the backward read that follows it."""
        for step in self.preparing():
            step()

    def preparing(self) -> list[Step]:
        """Plan to compute the weights that reads see, as `prepare` does at once."""
        return [each.refresh for each in self.sums if each.needs_refresh]

    def touch(self) -> None:
        """Mark the weights that reads see as out of date, because an update is about to move devices."""
        for bank in self.banks.values():
            bank.touch()

    def touched(self) -> list[Step]:
        """Plan to mark the weights that reads see as out of date, as `touch` does at once."""
        return [step for bank in self.banks.values() for step in bank.visible.touched()]

    def whole_update(self, plan: UpdatePlan, vectors: int) -> list[Step]:
        """Return an update of so many vectors with what belongs to it: weights go out of date, vectors are counted."""
        return [*self.touched(), *plan.draw, *plan.move, self.first.counted(Operation.UPDATE, vectors)]

    def counted_reads(self, operation: Operation, vectors: int) -> list[Step]:
        """Plan to add `vectors` to the number of the next vector of a read, which names its noise.

        Args:
            operation: whose streams the noise is of.
            vectors: how many vectors are read.
        """
        return [each.reader.counted(operation, vectors) for each in self.sums]
