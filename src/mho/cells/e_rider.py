"""E-RIDER: the symmetry point is tracked while training, by a slow mean of the fast bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, final

from mho.cells.base import Buffer, Term
from mho.cells.fast_slow import Buffered, gain, left_of, pulses_of
from mho.errors import Faults
from mho.per_replica import Number


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ERider(Buffered):
    """W = slow + visible·c·(fast - q): a slow mean of the fast bank's readings finds its symmetry points.

    The mean moves by `tracking` of each reading's difference; q, which readings and the visible weight are less, is
    this mean at the last change of a column's sign c. It needs no symmetry point to be known. With `chopper=0` it is
    plain RIDER, in which q is the mean itself: then the mean follows the gradient too, and a `tracking` that is not
    small against the fast bank's rate ends worse than no reference at all. Memory per weight: two devices and three
    numbers; per column a sign and a count.

    Attributes:
        tracking: share η of a reading in the mean, above 0, at most 1.

    Source: Xiao et al. 2026, arXiv 2602.21321, with a buffer as in `AGAD` between the banks; the defaults of `chopper`,
    `tracking` and `buffer_scale` are ours.
    """

    chopper: Number = 0.1
    reference: str = "zero"
    visible: Number = 0.1
    tracking: float = 0.05
    operations: ClassVar[int] = 6
    """Digital operations per weight: three of the mean, the difference from the mean, its product and sum."""

    def _check(self, faults: Faults) -> None:
        super()._check(faults)
        faults.number("tracking", self.tracking, above=0.0, high=1.0)

    def visible_term(self) -> Term:
        return dataclasses.replace(super().visible_term(), less="former")

    def buffers(self) -> Mapping[str, Buffer]:
        return {**super().buffers(), "tracked": Buffer("weight"), "former": Buffer("weight")}

    def tracked(self) -> float | None:
        return self.tracking

    def summary(self) -> str:
        return "with a fast and a slow device per weight, and a tracked reference"

    @staticmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the new buffers (buffer, mean, reference) of a weight, and the pulses that follow from a reading.

        Args:
            h: buffers of the weight, its buffer, the tracked mean, and the reference of before.
            omega: the reading of the weight's column, in units of its bank.
            line: buffers of the column, and the settings of the cell and of the transfer that are numbers.
        """
        total = h.buffer + gain(line) * line.sign * (omega - h.former)
        pulses = pulses_of(total, line)
        tracked = h.tracked + line.tracking * (omega - h.tracked)
        renewed = line.changes > 0 or line.chopper == 0
        return (left_of(total, pulses, line), tracked, tracked if renewed else h.former), pulses
