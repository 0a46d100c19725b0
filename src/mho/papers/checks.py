"""Checks of curves: bounds on a mean, alone or compared with another curve."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults
from mho.papers.quantities import Quantity


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """Bounds on the mean of a quantity, on its difference from that of another curve, or on its ratio to it.

    A mean at a bound is kept.

    Attributes:
        at_least: lower bound, or None.
        at_most: upper bound, or None.
        than: name of the other curve of a difference, this mean minus that mean. In per cents: percentage points.
        of: name of the other curve of a ratio, this mean divided by that mean.
        quantity: what is bounded; None: the quantity of the curve.
        reason: why the tolerance is what it is.
    """

    at_least: float | None = None
    at_most: float | None = None
    than: str | None = None
    of: str | None = None
    quantity: Quantity | None = None
    reason: str

    def __post_init__(self) -> None:
        faults = Faults("check")
        faults.number("at_least", self.at_least, optional=True)
        faults.number("at_most", self.at_most, optional=True)
        if self.at_least is None and self.at_most is None:
            faults.add("neither at_least nor at_most is given")
        if self.than is not None and self.of is not None:
            faults.add("than and of exclude each other; give than for a difference, of for a ratio")
        if not isinstance(self.reason, str) or not self.reason:
            faults.add("reason is missing: say why the tolerance is what it is")
        faults.raise_any()

    def __str__(self) -> str:
        sides = []
        if self.at_least is not None:
            sides.append(f"≥ {self._side(self.at_least)}")
        if self.at_most is not None:
            sides.append(f"≤ {self._side(self.at_most)}")
        return (f"{self.quantity.label} " if self.quantity is not None else "") + ", ".join(sides)

    @property
    def other(self) -> str | None:
        """Name of the curve that the check compares with, or None."""
        return self.than if self.than is not None else self.of

    def keeps(self, mean: float, other: float | None) -> bool:
        """Return whether a mean keeps the bounds.

        Args:
            mean: mean of the curve.
            other: mean of the other curve, if the check names another curve.
        """
        value = mean
        if other is not None:
            value = mean - other if self.of is None else _ratio(mean, other)
        # means of printed numbers: values that differ in the ninth decimal or the tenth digit are equal
        slack = max(0.5e-9, 1e-10 * abs(value))
        above = self.at_least is None or value >= self.at_least - slack
        return above and (self.at_most is None or value <= self.at_most + slack)

    def _side(self, value: float) -> str:
        if self.of is not None:
            return f"{value:g} × {self.of}"
        if self.than is None:
            return f"{value:g}"
        return self.than + (f" {'+' if value > 0 else '−'} {abs(value):g}" if value else "")


def _ratio(mean: float, other: float) -> float:
    """Divide; by 0 the ratio is not a number, which keeps no bound."""
    return mean / other if other else float("nan")
