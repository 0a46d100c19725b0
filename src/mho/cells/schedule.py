"""An update that halts for events."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np

from mho.banks import BankPart, Rate, UpdatePlan
from mho.cells.events import Act, Event, Stop
from mho.compiler.program import Step, joined
from mho.kernels.ops import Window
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart


def scheduled(part: CellPart, bank: BankPart, plan: UpdatePlan, vectors: int, events: Sequence[Event]) -> UpdatePlan:
    """Return an update of a bank with T vectors in which events take place at their own vectors."""
    if not events:
        return plan

    def set_rate(lr: Rate) -> None:
        plan.set_rate(lr)
        part.settings[:, -1] = lr

    return dataclasses.replace(plan, move=[_Schedule(part, bank, plan, vectors, events).run], set_rate=set_rate)


@final
class _Schedule:
    """The passes of an update over its vectors, from stop to stop."""

    def __init__(self, part: CellPart, bank: BankPart, plan: UpdatePlan, vectors: int, events: Sequence[Event]) -> None:
        self.part, self.plan, self.vectors, self.events = part, plan, vectors, events
        self.number = bank.number(Operation.UPDATE)
        self.window = Window(np.zeros(part.columns, np.int64), np.zeros(part.columns, np.int64))
        self.waiting: dict[int, tuple[int, int]] = {}

    @functools.cached_property
    def acts(self) -> list[Act]:
        """What happens at each event."""
        return [event.plan(self.part) for event in self.events]

    @functools.cached_property
    def moves(self) -> list[Step]:
        """Moves by the vectors of the window."""
        return joined(self.plan.within(self.window))

    def run(self) -> None:
        """Move devices through all vectors, with the events in the order of their vectors."""
        first, (begin, end) = int(self.number[0]), (self.window.begin, self.window.end)
        if len(self.events) == 1 and self.events[0].cyclic:
            self._run_in_turn(self.events[0].every, first)
            return
        due = sorted(
            (vector, which)
            for which, event in enumerate(self.events)
            for vector in range((first // event.every + 1) * event.every, first + self.vectors + 1, event.every)
        )
        if not due:  # most updates of rare events: no column halts
            for step in self.plan.move:
                step()
            return
        self.waiting.clear()  # of an update that failed
        begin[...], end[...] = 0, 0
        for vector, which in due:
            event = self.events[which]
            if event.cyclic:
                column = (vector // event.every - 1) % len(begin)
                if column in self.waiting:
                    self._halt()
                end[column], self.waiting[column] = vector - first, (vector, which)
            else:
                self._halt()
                end[...] = vector - first
                self._move()
                numbers = np.array([vector // event.every - 1])
                self.acts[which](Stop(np.arange(len(begin)), numbers, vector))
        self._halt()
        if (begin < self.vectors).any():
            end[...] = self.vectors
            self._move()

    def _run_in_turn(self, every: int, first: int) -> None:
        """As `run` for one event, which halts one column after another: all that are due, each once, go together."""
        begin, end = self.window.begin, self.window.end
        numbers, columns = np.arange(first // every, (first + self.vectors) // every), len(begin)
        if not len(numbers):
            for step in self.plan.move:
                step()
            return
        begin[...], end[...] = 0, 0
        for some in np.split(numbers, range(columns, len(numbers), columns)):
            which, vectors = some % columns, (some + 1) * every
            end[which] = vectors - first
            self._move()
            self.acts[0](Stop(which, some, int(vectors[-1])))
        if (begin < self.vectors).any():
            end[...] = self.vectors
            self._move()

    def _halt(self) -> None:
        """Move the columns that wait for events up to these, and let the events take place."""
        if not self.waiting:
            return
        self._move()
        for which, event in enumerate(self.events):
            own = {column: vector for column, (vector, of) in self.waiting.items() if of == which}
            if own:
                columns, vectors = np.array(list(own)), np.array(list(own.values()))
                self.acts[which](Stop(columns, vectors // event.every - 1, int(vectors[-1])))
        self.waiting.clear()

    def _move(self) -> None:
        for step in self.moves:
            step()
        self.window.begin[...] = self.window.end
        self.part.touch()
