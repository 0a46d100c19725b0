"""An update that halts for events."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np

from mho.banks import BankPart, Rate, UpdatePlan
from mho.cells.events import Event, Stop
from mho.compiler.program import Step, joined
from mho.kernels import stops
from mho.kernels.records import Events
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart

ROUNDS = 64
"""Rounds of all columns that one program holds: each costs it some kilobytes."""


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
        self.window = stops.empty_window(part.columns)
        self.following = np.zeros(1, np.int64)
        self._stood = np.zeros(part.columns, np.int64)
        self._stops: dict[tuple[int, int], tuple[Stop, list[Step]]] = {}
        self._joined: dict[tuple[int, int], list[Step]] = {}

    def run(self) -> None:
        """Move devices through all vectors, with the events in the order of their vectors."""
        first = int(self.number[0])
        if not any((first + self.vectors) // event.every > first // event.every for event in self.events):
            _do(self.plan.move)  # no column halts
            return
        self.window.end[...], self._stood[...] = 0, 0
        if len(self.events) == 1 and self.events[0].cyclic:
            self._run_in_turn(self.events[0].every, first)
        else:
            self._run_in_order(first)
        self.part.touch()

    def _run_in_turn(self, every: int, first: int) -> None:
        """Run an update with a single kind of event, which halts columns in turn: all due columns halt together."""
        self.following[0] = first // every
        rounds, rest = divmod((first + self.vectors) // every - first // every, self.part.columns)
        for _ in range(rounds // ROUNDS):
            _do(self._turns(ROUNDS, 0))
        _do(self._turns(rounds % ROUNDS, rest))
        _do(self._end)

    def _turns(self, rounds: int, rest: int) -> list[Step]:
        """Return what halts every column for its event in so many rounds, then so many columns more."""
        key = (rounds, rest)
        if key not in self._joined:
            each = [self._turn(count) * times for count, times in ((self.part.columns, rounds), (rest, 1)) if count]
            self._joined[key] = joined(list(itertools.chain.from_iterable(each)))
        return self._joined[key]

    def _turn(self, count: int) -> list[Step]:
        """Return what moves the next columns, so many, to their events, and lets these take place."""
        stop, steps = self._planned(0, count)
        events = Events(self.following, stop.columns, stop.numbers, stop.vector)
        halt = stops.halt(self.window, events, self.events[0].every, self.number)
        return [halt, *self.plan.within(self.window), *steps]

    @functools.cached_property
    def _end(self) -> list[Step]:
        """Return the steps that move all columns to the end of the update."""
        return joined([stops.finish(self.window, self.vectors), *self.plan.within(self.window)])

    def _run_in_order(self, first: int) -> None:
        """Run an update with several kinds of events, in the order of their vectors."""
        end = self.window.end
        due = sorted(
            (vector, which)
            for which, event in enumerate(self.events)
            for vector in range((first // event.every + 1) * event.every, first + self.vectors + 1, event.every)
        )
        waiting: dict[int, tuple[int, int]] = {}
        for vector, which in due:
            event = self.events[which]
            if event.cyclic:
                column = (vector // event.every - 1) % len(end)
                if column in waiting:
                    self._halt(waiting)
                end[column], waiting[column] = vector - first, (vector, which)
            else:
                self._halt(waiting)
                end[...] = vector - first
                self._move()
                stop, steps = self._planned(which, 0)
                stop.numbers[0], stop.vector[0] = vector // event.every - 1, vector
                _do(steps)
        self._halt(waiting)
        end[...] = self.vectors
        self._move()

    def _halt(self, waiting: dict[int, tuple[int, int]]) -> None:
        """Move the columns that wait for events up to these, and let the events take place."""
        if not waiting:
            return
        self._move()
        for which, event in enumerate(self.events):
            own = {column: vector for column, (vector, of) in waiting.items() if of == which}
            if own:
                stop, steps = self._planned(which, len(own))
                stop.columns[...], vectors = list(own), np.array(list(own.values()))
                stop.numbers[...], stop.vector[0] = vectors // event.every - 1, vectors[-1]
                _do(steps)
        waiting.clear()

    def _planned(self, which: int, count: int) -> tuple[Stop, list[Step]]:
        """Return an event at a stop of so many columns, 0 for all of them together, and its steps."""
        key = (which, count)
        if key not in self._stops:
            stop = Stop.of_columns(count) if count else Stop.of_all(self.part.columns)
            self._stops[key] = stop, joined(self.events[which].plan(self.part, stop))
        return self._stops[key]

    @functools.cached_property
    def _moves(self) -> list[Step]:
        """Moves by the vectors of the window."""
        return joined(self.plan.within(self.window))

    def _move(self) -> None:
        """Move the columns from where they stand to the end of the window."""
        begin, end, span = self.window.begin, self.window.end, self.window.span
        begin[...], self._stood[...] = self._stood, end
        moving = begin < end
        if moving.any():
            span[...] = begin[moving].min(), end[moving].max()
            _do(self._moves)


def _do(steps: Sequence[Step]) -> None:
    for step in steps:
        step()
