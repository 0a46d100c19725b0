"""A transfer: a column of one bank is read, a digital map decides, and the column of another bank is pulsed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, final

import numpy as np
import numpy.typing as npt

from mho.banks.numbers import levels_of
from mho.cells.events import Act, Event, Stop
from mho.cells.sums import Sum
from mho.periphery import Read
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart

Floats = npt.NDArray[np.float32]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer(Event):
    """Reads a column every `every` vectors, one column after another, and pulses the same column of another bank.

    The map is the cell's static function `transfer(h, omega, line)`, compiled like a law: h has the cell's buffers of
    one weight, omega is the reading, and `line` has the cell's buffers of the column, its settings that are numbers,
    and `rate`, the learning rate of the update, 0 in `pulse`. It returns the new h (a number for one buffer, a tuple
    for several, nothing where there is none) and the number of pulses, negative for pulses down; at most 32 are sent.

    Attributes:
        every: vectors from one transfer to the next, at least 1.
        source: bank that is read, by the circuit.
        target: bank that is pulsed; it sees a vector of its own for each transfer.
        circuit: of the reading: converters, noise, bound.
    """

    every: int
    source: str
    target: str
    circuit: Read
    cyclic = True

    @property
    def banks(self) -> tuple[str, ...]:  # type: ignore[override]
        """The banks that are read and pulsed."""
        return (self.source, self.target)

    def plan(self, part: CellPart) -> Act:
        source, target = part.banks[self.source], part.banks[self.target]
        seen = Sum(source, [(source, np.ones(part.replicas, np.float32))])
        levels = levels_of(self.circuit, source.replicas, source.bank.replicas)
        backend, map_ = source.bank.backend, part.cell.transfer_map()
        map_.check()
        buffers = tuple(part.buffers[name] for name in map_.weight)
        lines = tuple(part.buffers[name] for name in map_.column)

        def transfer(stop: Stop) -> None:
            count = len(stop.columns)
            x = np.zeros((part.replicas, count, part.columns), np.float32)
            x[:, np.arange(count), stop.columns] = 1
            omega = np.empty((part.replicas, count, part.rows), np.float32)
            pulses = np.empty((part.replicas, count, part.rows), np.int32)
            source.number(Operation.TRANSFER)[0] = stop.numbers[0]
            seen.refresh()
            for step in seen.plan(x, omega, levels, Operation.TRANSFER, backward=False):
                step()
            source.count_on(Operation.TRANSFER, count)
            backend.plan_transfer(map_, buffers, lines, part.settings, omega, stop.columns, pulses)()
            draw, drawn = backend.plan_column_trains(pulses, stop.columns, target.state.shape, target.counts)
            key, number = target.key(Operation.UPDATE), target.number(Operation.UPDATE)
            for step in [draw, *backend.plan_moves(target.state, target.cells, drawn, key, number, target.counts)]:
                step()
            target.count_on(Operation.UPDATE, count)
            target.touch()

        return transfer
