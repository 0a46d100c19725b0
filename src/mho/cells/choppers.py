"""Choppers: signs of the columns of a bank, which vectors are multiplied by and readings set right by."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from mho import random
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
SIGN, AGE = "sign", "age"
"""Buffers per column: its sign, and how often it has been read since the sign last changed."""
ROUNDING = 1e-6
"""Error of a float32: the tenth of a probability is 10 readings, not 11."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Chopper:
    """When the signs of columns change: after the event that reads the column.

    Attributes:
        every: vectors from one event to the next; the columns take turns.
        probability: name of the cell's setting that is the probability of a change at each reading of a column; 0: the
            signs stay.
        regular: whether a sign changes every ⌈1/probability⌉ readings instead, at least every 2.
    """

    every: int
    probability: str
    regular: bool

    def bind(self, part: CellPart) -> Choppers:
        """Return the signs of some replicas, on their memory."""
        return Choppers(self, part)


@final
class Choppers:
    """The signs of the columns of some replicas."""

    def __init__(self, chopper: Chopper, part: CellPart) -> None:
        self._chopper, self._columns = chopper, part.columns
        self.sign, self.age = part.buffers[SIGN], part.buffers[AGE]
        self._probability = part.setting(chopper.probability)
        self._on = on = self._probability > 0
        self._period = np.full(part.replicas, np.inf)
        self._period[on] = regular_period(self._probability[on])
        bank = part.first.bank
        own = list(zip(bank.seeds, bank.names, strict=True))[part.first.replicas]
        self._keys = np.stack(
            [random.stream_key(s, random.array_number(f"{name}.chopper"), Operation.TRANSFER) for s, name in own]
        )

    def signed(self, x: Floats, first: int, out: Floats) -> None:
        """Write x (R, T, N), of vectors from number `first` on, times the signs that each vector meets."""
        np.multiply(x, self.sign[:, None, :], out=out)
        every, vectors = self._chopper.every, x.shape[1]
        events = np.arange(first // every, (first + vectors - 1) // every)  # one after the last vector changes nothing
        if not len(events):
            return
        columns = events % self._columns
        turns = (events - events[0]) // self._columns
        changes = self._changes(events, self.age[:, columns] + turns + 1)
        for replica, event in np.argwhere(changes):
            out[replica, (events[event] + 1) * every - first :, columns[event]] *= -1

    def read(self, events: Numbers, columns: Numbers) -> npt.NDArray[np.bool_]:
        """Count readings of columns, (K,) by events of these numbers, and return which change signs then, (R, K)."""
        self.age[:, columns] += self._on[:, None]
        return self._changes(events, self.age[:, columns])

    def change(self, columns: Numbers, changes: npt.NDArray[np.bool_]) -> None:
        """Change signs after a reading, as `read` returned them."""
        self.sign[:, columns] = np.where(changes, -self.sign[:, columns], self.sign[:, columns])
        self.age[:, columns] = np.where(changes, 0, self.age[:, columns])

    def _changes(self, events: Numbers, ages: Floats) -> npt.NDArray[np.bool_]:
        """Return whether signs change, (R, K), after the events of these numbers, at which columns have these ages."""
        if self._chopper.regular:
            return np.asarray(self._on[:, None] & (ages % self._period[:, None] == 0))
        drawn = np.stack([random.event_uniforms(key, events) for key in self._keys])
        return np.asarray(drawn < self._probability[:, None])


def regular_period(probability: Any) -> Any:
    """Return the readings from one change of a sign to the next where changes of this probability are regular."""
    return np.maximum(np.ceil(1 / np.asarray(probability, np.float32).astype(np.float64) - ROUNDING), 2)
