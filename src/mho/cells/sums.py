"""A sum of banks that is read at once: currents on common lines, one noise and one bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from mho.banks import BankPart
from mho.compiler.program import Step
from mho.kernels.ops import Levels
from mho.random import Operation

Floats = npt.NDArray[np.float32]


@final
class Sum:
    """Σ gain·matrix over some banks, as reads see it.

    A single bank of gain 1 is read where it stands; a sum of several is computed anew when one of them has changed.

    Attributes:
        reader: the bank whose streams and counters the reads use.
        terms: name of each bank, and its gain (R, 1, 1).
        values: (R, P, N) what is read; valid after `refresh`, or for the last vector looked at; its memory stays.
        varies: whether every vector sees other weights.
    """

    def __init__(self, reader: BankPart, terms: Sequence[tuple[BankPart, Floats]]) -> None:
        self.reader, self._terms = reader, [(bank, gain[:, None, None]) for bank, gain in terms]
        self.terms = [(bank.bank.spec.name, gain) for bank, gain in self._terms]
        self.varies = any(bank.visible.varies for bank, _ in terms)
        first, gain = self._terms[0]
        self._alone = len(terms) == 1 and bool((gain == 1).all())
        self.values: Floats = first.visible.values if self._alone else np.empty_like(first.visible.values)
        self._made = np.full(len(self.values), -1, np.int64)

    def refresh(self) -> None:
        """Bring `values` up to date, unless they vary from vector to vector."""
        if self.varies:
            return
        for bank, _ in self._terms:
            bank.visible.refresh()
        if not self._alone:
            stamp = sum(bank.visible.stamp() for bank, _ in self._terms)
            if not np.array_equal(self._made, stamp):
                self._add()
                self._made[...] = stamp

    def plan(self, x: Floats, out: Floats, levels: Levels, operation: Operation, *, backward: bool) -> list[Step]:
        """Plan a read of the sum: x (R, T, in) to out (R, T, out)."""
        if not self.varies:
            return [self.reader.plan_read(self.values, x, out, levels, operation, backward=backward)]
        first, now = self.reader.number(operation), np.zeros(1, np.int64)
        one_in, one_out = np.empty_like(x[:, :1]), np.empty_like(out[:, :1])
        read = self.reader.plan_read(self.values, one_in, one_out, levels, operation, now, backward=backward)

        def read_each() -> None:
            for t in range(x.shape[1]):
                now[0] = first[0] + t
                self.look(operation, int(now[0]))
                one_in[...] = x[:, t : t + 1]
                read()
                out[:, t : t + 1] = one_out

        return [read_each]

    def look(self, operation: Operation, vector: int) -> None:
        """Compute what the vector of this number sees."""
        for bank, _ in self._terms:
            bank.visible.look(bank.key(operation), vector)
        if not self._alone:
            self._add()

    def _add(self) -> None:
        first, gain = self._terms[0]
        np.multiply(first.visible.values, gain, out=self.values)
        for bank, gain in self._terms[1:]:
            self.values += gain * bank.visible.values
