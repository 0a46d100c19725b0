"""AGAD: a transfer that measures its own reference, with every change of a chopper."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, final

from mho.cells.base import Buffer
from mho.cells.fast_slow import Buffered, gain, left_of, pulses_of
from mho.errors import Faults
from mho.per_replica import Number


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class AGAD(Buffered):
    """Analog gradient accumulation with dynamic reference: W = slow + visible·c·fast.

    As `TikiTaka` with a chopper, but H gathers c·(ω - ω_ref), where ω_ref is the running mean of a weight's readings at
    the last change of its column's sign: what counts is how the fast device has changed since. So it needs no
    symmetry point: references may have any error, and devices may be symmetric. Memory per weight: two devices and
    three numbers; per column a sign and a count.

    Attributes:
        smoothing: share β of a reading in the running mean, above 0, at most 1.

    Source: M. J. Rasch et al., Nat. Commun. 15:7133 (2024), arXiv 2303.04721. The default of `buffer_scale` is ours.
    """

    chopper: Number = 0.1
    reference: str = "zero"
    weigh_reads: bool = True
    smoothing: float = 0.5
    operations: ClassVar[int] = 6
    """Digital operations per weight: the difference of readings, its product and sum, and three of the running mean."""

    def _check(self, faults: Faults) -> None:
        super()._check(faults)
        faults.number("smoothing", self.smoothing, above=0.0, high=1.0)
        if self.chopper == 0:
            faults.add("chopper is 0, and the reference is renewed where a sign changes; give for example 0.1")

    def buffers(self) -> Mapping[str, Buffer]:
        return {**super().buffers(), "mean": Buffer("weight"), "former": Buffer("weight")}

    def tracked(self) -> float | None:
        return self.smoothing

    def summary(self) -> str:
        return "with a fast and a slow device per weight, and a dynamic reference"

    @staticmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the new buffers (buffer, running mean, reference) of a weight, and the pulses after a reading.

        Args:
            h: buffers of the weight, its buffer, the running mean, and the reference of before.
            omega: the reading of the weight's column, in units of its bank.
            line: buffers of the column, and the settings of the cell and of the transfer that are numbers.
        """
        total = h.buffer + gain(line) * line.sign * (omega - h.former)
        pulses = pulses_of(total, line)
        mean = h.mean + line.smoothing * (omega - h.mean)
        return (left_of(total, pulses, line), mean, mean if line.changes > 0 else h.former), pulses
