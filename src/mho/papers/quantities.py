"""Named numbers of metrics.jsonl, as figures, tables and checks show them."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults
from mho.text import plain_number

BETTER = ("lower", "higher", "neither")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number that each line of a curve's results has.

    Attributes:
        name: key of the number in metrics.jsonl.
        label: for axes and headings.
        unit: for example "%" or "nats"; "" if it has none.
        log: whether its axis is logarithmic.
        better: "lower", "higher", or "neither" for what is no measure of success.
    """

    name: str
    label: str
    unit: str = ""
    log: bool = False
    better: str = "lower"

    def __post_init__(self) -> None:
        faults = Faults("quantity")
        for key in ("name", "label"):
            if not isinstance(getattr(self, key), str) or not getattr(self, key):
                faults.add(f"{key} is {getattr(self, key)!r}; give a text")
        faults.flag("log", self.log)
        if self.better not in BETTER:
            faults.add(f"better is {self.better!r}; give one of {', '.join(BETTER)}")
        faults.raise_any()

    @property
    def axis(self) -> str:
        """Label with unit, for an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def words(self) -> str:
        """Label with unit, within a sentence."""
        return f"{self.label} in {'per cent' if self.unit == '%' else self.unit}" if self.unit else self.label

    def show(self, value: float) -> str:
        """Return a value as tables have it, without the unit: per cents with two decimals, others with four digits."""
        return f"{value:.2f}" if self.unit == "%" else plain_number(value)


EPOCH = Quantity(name="epoch", label="epoch", better="neither")
TEST_ERROR = Quantity(name="test_error", label="test error", unit="%", log=True)
"""What a paper shows whose expected.toml names no other quantity."""
KNOWN = {
    quantity.name: quantity
    for quantity in (
        EPOCH,
        TEST_ERROR,
        Quantity(name="train_error", label="training error", unit="%", log=True),
        Quantity(name="train_loss", label="training loss", log=True),
        Quantity(name="seconds", label="training time of the epoch", unit="s"),
    )
}
"""Quantities of `mho train` by name, which every expected.toml may use."""
