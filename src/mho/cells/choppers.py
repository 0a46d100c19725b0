"""Choppers: signs of the columns of a bank, which vectors are multiplied by and readings set right by."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mho import random
from mho.cells.events import Stop
from mho.compiler.program import Step
from mho.kernels import stops
from mho.kernels.ops import Floats
from mho.kernels.records import Chopping, Signs
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart

SIGN, AGE = "sign", "age"
"""Buffers per column: its sign, and how often it has been read since the sign last changed."""
ROUNDING = 1e-6
"""Error of a float32: the tenth of a probability is 10 readings, not 11."""
NEVER = 2.0**62
"""Readings that no training counts to."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Chopper:
    """Chopper: changes the sign of a column after some of the events that read the column.

    Attributes:
        every: vectors from one event to the next; successive events read successive columns.
        probability: name of the cell's setting that is the probability of a change at each reading of a column; 0: the
            signs stay.
        regular: whether a sign changes every ⌈1/probability⌉ readings instead, at least every 2.
    """

    every: int
    probability: str
    regular: bool

    def bind(self, part: CellPart) -> Choppers:
        """Return the signs of the columns of `part`, bound to its buffers `sign` and `age`."""
        return Choppers(self, part)


@final
class Choppers:
    """The signs of the columns of some replicas."""

    def __init__(self, chopper: Chopper, part: CellPart) -> None:
        self._every, self._first = chopper.every, part.first.number(Operation.UPDATE)
        self._signs = Signs(part.buffers[SIGN], part.buffers[AGE])
        probability = np.ascontiguousarray(part.setting(chopper.probability))
        period = np.zeros(part.replicas, np.int64)
        if chopper.regular:
            on = probability > 0
            period[on] = np.minimum(regular_period(probability[on]), NEVER)
        bank = part.first.bank
        own = list(zip(bank.seeds, bank.names, strict=True))[part.first.replicas]
        keys = [random.stream_key(s, random.array_number(f"{name}.chopper"), Operation.TRANSFER) for s, name in own]
        self._chopping = Chopping(probability, period, np.stack(keys))
        self.changing = np.zeros((part.replicas, part.columns), np.float32)

    def signed(self, x: Floats, out: Floats) -> Step:
        """Plan what multiplies x (R, T, N) of an update by the signs that each vector meets."""
        return stops.chop(self._chopping, x, self._signs, self._every, out, self._first)

    def read(self, stop: Stop) -> Step:
        """Plan to count readings of the columns of a stop, and to note in `changing` whose signs change after them."""
        return stops.count_readings(self._chopping, stop.columns, stop.numbers, self._signs.age, self.changing)

    def change(self, stop: Stop) -> Step:
        """Plan the changes of signs after a reading."""
        return stops.change_signs(stop.columns, self.changing, self._signs)


def regular_period(probability: Any) -> Any:
    """Return the readings from a change of sign to the next for choppers that are regular with this probability."""
    return np.maximum(np.ceil(1 / np.asarray(probability, np.float32).astype(np.float64) - ROUNDING), 2)
