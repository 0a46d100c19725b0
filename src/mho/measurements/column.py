"""One column of a table, and what it was taken as."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from mho.measurements.grid import Grid
from mho.measurements.record import Decision, Floats
from mho.measurements.text import FileFaults
from mho.measurements.units import is_unit, kind_of, split_unit
from mho.measurements.vocabulary import WORDS, words

KINDS = {"S": "conductance", "A": "current", "ohm": "resistance"}
TAKEN_AS = {
    "number": "count of pulses",
    "sent": "pulses sent before the reading",
    "sent_up": "up pulses sent before the reading",
    "sent_down": "down pulses sent before the reading",
    "phase": "pulse or read",
    "reading": "readings",
    "up": "readings after up pulses",
    "down": "readings after down pulses",
    "direction": "direction of pulses",
    "voltage": "voltage of pulses",
    "read_voltage": "voltage of the read",
    "device": "name of the device",
    "before": "reading before the pulses",
    "skip": "left out",
}
"""How the table on the terminal calls the roles; any other is a quantity that is left out."""


@final
@dataclasses.dataclass(eq=False)
class Column:
    """A column, and the role that it is given: one of `formats.ROLES`, "before", or the name of what is left out.

    Attributes:
        grid: the table.
        number: its place, from 0.
        role: what it is taken as, "?" before that is known.
        why: the reason, for the user.
        meanings: directions, +1 or -1, of words (folded) that are not in the vocabulary.
    """

    grid: Grid
    number: int
    role: str = "?"
    why: str = ""
    meanings: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def decide(self, role: str, why: str) -> None:
        """Give the column a role, and say why."""
        self.role, self.why = role, why

    @property
    def name(self) -> str:
        return self.grid.names[self.number]

    @property
    def label(self) -> str:
        return self.grid.label(self.number)

    @functools.cached_property
    def words(self) -> frozenset[str]:
        """Words of its name."""
        return frozenset(words(self.name))

    @functools.cached_property
    def unit(self) -> str:
        """Unit of the column, by its heading, or by the only word that stands in the next column."""
        grid, number = self.grid, self.number
        stated = grid.units[number].strip("()[] ") or split_unit(self.name)[1]
        beside = {cell for cell in grid.cells(number + 1) if cell} if number + 1 < grid.width else set()
        return beside.pop() if not stated and len(beside) == 1 and all(map(is_unit, beside)) else stated

    @functools.cached_property
    def kind(self) -> str:
        """Quantity of the column, by its unit or else by its name, as `kind_of` names it."""
        if found := kind_of(self.unit):
            return found
        if self.words <= {"ch", "channel", "kanal"} and self.words:  # of an oscilloscope
            return "V"
        for kind, group in (("V", "voltage"), ("ohm", "resistance"), ("A", "current"), ("S", "conductance")):
            if self.words & WORDS[group]:
                return kind
        return ""

    @functools.cached_property
    def values(self) -> Floats:
        """(N,) its numbers, NaN for gaps and faults."""
        return self.grid.numbers(self.number, FileFaults(self.grid.file))

    @functools.cached_property
    def finite(self) -> Floats:
        """Its numbers, without gaps and faults."""
        return self.values[np.isfinite(self.values)]

    @functools.cached_property
    def is_whole(self) -> bool:
        """True if its numbers are whole, and at least 0."""
        found = self.finite
        return len(found) > 0 and bool(np.all(found == np.round(found)) and np.min(found) >= 0)

    @property
    def decision(self) -> Decision:
        """Decision as it is shown."""
        taken = TAKEN_AS.get(self.role) or f"{self.role}, left out"
        return Decision(self.label, taken, self.unit, self.why)


def of_role(columns: Sequence[Column], *roles: str) -> list[Column]:
    """Return the columns of these roles."""
    return [column for column in columns if column.role in roles]
