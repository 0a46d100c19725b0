"""Events of a cell, such as transfers, each at a vector of its own in the course of an update."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import numpy as np
import numpy.typing as npt

from mho.banks import BankSpec
from mho.cells.cost import EventCost
from mho.compiler.program import Step
from mho.errors import InWords
from mho.periphery import Pulses

if TYPE_CHECKING:
    from mho.cells.part import CellPart

Numbers = npt.NDArray[np.int64]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Stop:
    """Halt of an update for an event: memory that is written before the steps of the event run.

    Attributes:
        columns: columns that have halted, (K,): all columns of the array, or one for each of K events.
        numbers: numbers of the events, counted from 0 since the start, (K,) for columns of their own, else (1,).
        vector: number of vectors that the array has seen when the last of these events is due, (1,).
    """

    columns: Numbers
    numbers: Numbers
    vector: Numbers

    @classmethod
    def of_columns(cls, count: int) -> Stop:
        """Return memory for stops of `count` columns, each with an event of its own; all numbers are 0."""
        return cls(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(1, np.int64))

    @classmethod
    def of_all(cls, columns: int) -> Stop:
        """Return memory for stops of all `columns` of an array together; event and vector numbers are 0."""
        return cls(np.arange(columns), np.zeros(1, np.int64), np.zeros(1, np.int64))


class Event(abc.ABC, metaclass=InWords):
    """An event every `every` vectors, for the whole array or for one column after another.

    Devices do not see each other within an update. So an update of many vectors stays one pass: a column halts after
    the vector of its event, is read or written, and goes on, while others have not been there yet.

    Attributes:
        every: vectors from one event to the next, at least 1.
        cyclic: whether an event concerns one column, which moves on by one from event to event; else all.
        banks: names of the banks that it reads or moves, where it names them.
    """

    every: int
    cyclic: bool
    banks: tuple[str, ...] = ()

    @abc.abstractmethod
    def plan(self, part: CellPart, stop: Stop) -> list[Step]:
        """Bind the event to the memory of some replicas and of a stop; return the steps to run at each such stop.

        Where each step is a call of a kernel (`mho.compiler.program.Call`), stops of one column after another take
        place without Python. Who reads `visible` of a bank in a step touches the bank first: the pulses before the stop
        have moved it.

        Args:
            part: banks and buffers of the replicas.
            stop: which columns have halted, written before the steps run.
        """

    def cost(self, banks: Mapping[str, BankSpec]) -> EventCost:
        """Return what the event asks of hardware, for `mho map`.

        Default: each of its columns is read once from the first of the banks that it names, and written once to the
        last, in a train of that bank's update.

        Args:
            banks: banks of the cell, by name.
        """
        names = self.banks or tuple(banks)[:1]
        update = banks[names[-1]].update
        return EventCost(
            every=self.every, cyclic=self.cyclic, source=names[0], target=names[-1],
            slots=update.length if isinstance(update, Pulses) else 1,
        )  # fmt: skip
