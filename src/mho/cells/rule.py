"""Rule of a transfer: pulses that follow from readings, in the numbers that the checks of a training need."""

from __future__ import annotations

import dataclasses
import math
from typing import final

from mho.periphery import Read


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferRule:
    """A transfer from a bank to another: readings of the source become pulses on the target.

    Attributes:
        source: bank that gathers the gradient; the target itself where it is gathered digitally.
        target: bank that is pulsed.
        every: vectors from one event to the next.
        cyclic: whether an event concerns one column, else all.
        circuit: circuit of the readings; None where nothing is read.
        fill: thresholds of a buffer that a reading of 1 fills; None without such a buffer.
        averages: readings that are averaged before they count, at least 1.
        half_period: mean number of readings of a column from one change of its sign to the next; None without choppers.
        weighed: whether a reading counts 1/i, i its number since the sign changed.
        tracked: share of a reading in a running mean that serves as the reference; None: a fixed reference, which has
            to stand at the symmetry point.
        limit: the setting in proportion to which a pulse takes more readings: its name, value and default; None: there
            is none.
        cure: settings that let more pulses through, in words.
    """

    source: str
    target: str
    every: int
    cyclic: bool = True
    circuit: Read | None = None
    fill: float | None = None
    averages: float = 1.0
    half_period: float | None = None
    weighed: bool = False
    tracked: float | None = None
    limit: tuple[str, float, float] | None = None
    cure: str

    def sweeps(self, vectors: int, columns: int) -> float:
        """Return how often each column has had its event.

        Args:
            vectors: vectors of updates so far.
            columns: columns of the array, at least 1.
        """
        return vectors / self.every / (columns if self.cyclic else 1)

    def sooner(self, readings: float | None) -> tuple[str, ...]:
        """Return the setting, as after `--set`, with which pulses come sooner; () if no setting holds them back.

        Args:
            readings: readings that a pulse takes with the present setting; the setting returned makes one reading
                enough. None: not known; the default is returned where it is lower.
        """
        if self.limit is None or (readings is not None and not 1 < readings < math.inf):
            return ()
        name, value, usual = self.limit
        better = usual if readings is None else value / readings
        return (f"cell.{name}={float(f'{better:.2g}'):g}",) if better < value else ()
