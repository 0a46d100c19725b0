"""Settings of the digital factor between the weights of a layer and those of its arrays."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults, InWords, shown
from mho.per_replica import check_lists

CHOSEN = ("max", "std")
PER = ("layer", "output")
FILL = {"max": 0.5, "std": 1 / 6}
"""What `fill` is where it is not given: half the reach for the largest weight, or for three root mean squares."""


@final
@dataclasses.dataclass(frozen=True)
class Scale(metaclass=InWords):
    """The digital factor s between weights and arrays: W = s·A, with A what the devices hold.

    Outputs of forward and backward cycles are multiplied by s, so that s multiplies the noise and the bounds of reads
    as well; updates use the learning rate divided by s, so that E[ΔW] = η·δ·xᵀ stays. A network with factor s equals in
    law a network without the factor on devices whose steps and bounds, and reads whose noise and output bounds, are s
    times as large. Read noise, bounds and steps that stand in an RPU are in the units of A.

    Attributes:
        value: the factor, greater than 0, or a list of one number per replica; "max" or "std": chosen for the weights
            when a layer is converted or made.
        per: "layer": one factor for an array; "output": one for each of its rows, chosen no smaller than a tenth of the
            largest.
        fill: where the factor is chosen: the share of the reach of the array that the largest weight ("max") or the
            root mean square of the weights ("std") takes, above 0. The reach is the weight that half of the devices
            can hold, up and down. None: 1/2 for "max", 1/6 for "std", which leaves weights in training room to grow.
        learned: whether the factor is a parameter, whose logarithm moves by plain gradient descent at the learning rate
            of the layer. Such layers are driven by autograd.

    Raises:
        InvalidValue: for a value out of range or an option that could have no effect.
    """

    value: float | str
    per: str = dataclasses.field(default="layer", kw_only=True)
    fill: float | None = dataclasses.field(default=None, kw_only=True)
    learned: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        faults = Faults("Scale")
        if check_lists(self, faults, ("value",)):
            faults.raise_any()
            return
        value = self.value if isinstance(self.value, (int, float, str)) else shown(self.value)
        faults.number("value", value, above=0.0, high=1e30, also=CHOSEN)
        faults.choice("per", self.per, PER)
        faults.flag("learned", self.learned)
        faults.number("fill", self.fill, above=0.0, high=1e6, optional=True)
        if self.fill is not None and not self.is_chosen:
            faults.add(f'fill has no effect where the factor is given ({self.value!r}); give value="max" or "std"')
        if self.per == "output" and not self.is_chosen and self.learned is False:
            faults.add(
                f'per="output" has no effect with one number ({self.value!r}); give "max" or "std", or learned=True'
            )
        faults.raise_any()

    @property
    def is_chosen(self) -> bool:
        """Return True if the factor is chosen for the weights of each array."""
        return isinstance(self.value, str)

    def target(self) -> float:
        """Return the share of an array's reach that the largest weight, or the standard deviation, is to take."""
        assert isinstance(self.value, str)
        return FILL[self.value] if self.fill is None else self.fill

    def summary(self) -> str:
        """Return a phrase for tables, such as "scale 5" or "scale max per output, learned"."""
        number = f"{self.value:g}" if isinstance(self.value, (int, float)) else "per replica"
        words = f"scale {self.value if isinstance(self.value, str) else number}"
        return words + (" per output" if self.per == "output" else "") + (", learned" if self.learned else "")
