"""A sum of banks that is read at once: currents on common lines, one noise and one bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.banks import BankPart
from mho.compiler.program import Step
from mho.kernels.ops import Circuit, Counts, Floats
from mho.random import Operation


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Summand:
    """A bank in a sum, on the memory of its replicas.

    Attributes:
        bank: whose matrix.
        gain: gain of each replica, (R,).
        signs: signs of each column, (R, N), or None.
        less: what is subtracted from the matrix first, (R, M, N), or None.
    """

    bank: BankPart
    gain: Floats
    signs: Floats | None = None
    less: Floats | None = None

    @property
    def is_plain(self) -> bool:
        """Return True if the summand is the matrix of its bank."""
        return self.signs is None and self.less is None and bool((self.gain == 1).all())

    def value(self) -> Floats:
        """Return gain·signs·(matrix - less), (R, P, N)."""
        values = self.bank.visible.values
        if self.less is not None:
            values = values - self.less
        factor = self.gain[:, None, None]
        return values * (factor if self.signs is None else factor * self.signs[:, None, :])


@final
class Sum:
    """Σ gain·matrix over some banks, as reads see it.

    A single bank of gain 1 is read where it stands; a sum of several is computed anew when one of them has changed.
    Whoever changes the digital memory that enters a sum touches one of its banks.

    Attributes:
        reader: the bank whose streams and counters the reads use.
        terms: the summands, at least one.
        values: (R, P, N) what is read; valid after `refresh`, or for the last vector looked at; its memory stays.
        varies: whether every vector sees other weights.
        needs_refresh: False if `refresh` has nothing to do: `values` are the state of a bank, or vary by vector.
    """

    def __init__(self, reader: BankPart, terms: Sequence[Summand]) -> None:
        self.reader, self.terms = reader, terms
        self._banks = [term.bank for term in terms]
        self.varies = any(bank.visible.varies for bank in self._banks)
        first = terms[0].bank.visible.values
        self._alone = len(terms) == 1 and terms[0].is_plain
        self.values: Floats = first if self._alone else np.empty_like(first)
        self.needs_refresh = not (self.varies or (self._alone and terms[0].bank.visible.plain))
        self._made = np.full(len(self.values), -1, np.int64)

    def refresh(self) -> None:
        """Bring `values` up to date, unless they vary from vector to vector."""
        if not self.needs_refresh:
            return
        for bank in self._banks:
            bank.visible.refresh()
        if not self._alone:
            stamp = sum(bank.visible.stamp() for bank in self._banks)
            if not np.array_equal(self._made, stamp):
                self._add()
                self._made[...] = stamp

    def plan(
        self, x: Floats, out: Floats, circuit: Circuit, operation: Operation, *, backward: bool,
        number: Counts | None = None,
    ) -> list[Step]:  # fmt: skip
        """Plan a read of the sum: x (R, T, in) to out (R, T, out).

        Args:
            x: inputs.
            out: takes the outputs.
            circuit: the circuit.
            operation: whose stream the noise is of.
            backward: whether columns answer to rows.
            number: number of the first vector, (1,); None: the operation's own running number.
        """
        first = self.reader.number(operation) if number is None else number
        if not self.varies:
            return self.reader.plan_read(self.values, x, out, circuit, operation, first, backward=backward)
        now = np.zeros(1, np.int64)
        one_in, one_out = np.empty_like(x[:, :1]), np.empty_like(out[:, :1])
        read = self.reader.plan_read(self.values, one_in, one_out, circuit, operation, now, backward=backward)

        def read_each() -> None:
            for t in range(x.shape[1]):
                now[0] = first[0] + t
                self.look(operation, int(now[0]))
                one_in[...] = x[:, t : t + 1]
                for step in read:
                    step()
                out[:, t : t + 1] = one_out

        return [read_each]

    def look(self, operation: Operation, vector: int) -> None:
        """Compute what the vector of this number sees."""
        for bank in self._banks:
            bank.visible.look(bank.key(operation), vector)
        if not self._alone:
            self._add()

    def _add(self) -> None:
        self.values[...] = self.terms[0].value()
        for term in self.terms[1:]:
            self.values += term.value()
