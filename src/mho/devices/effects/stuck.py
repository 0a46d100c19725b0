"""Devices that are stuck."""

from __future__ import annotations

from typing import Any, ClassVar, final

from mho.devices.effects.base import Effect
from mho.devices.fields import as_per_cell
from mho.devices.measured_cells import MeasuredCells, first_cell
from mho.devices.per_cell import PerCell
from mho.errors import Faults


@final
class Stuck(Effect):
    """A share of devices hold a value of their own, even between their bounds, whatever is done to them.

    Each device is stuck with the probability `stuck`, at a weight drawn evenly between its bounds.

    Attributes:
        stuck: share of devices, 0 to 1; or a map of those that are, `mho.per_cell(values=...)` of 1 and 0.

    Source: stuck-at faults are those of C.-Y. Chen et al., "RRAM defect modeling and failure analysis based on march
    test and a novel squeeze-search scheme", IEEE Trans. Comput. 64:180 (2015), there at one of the bounds; that devices
    are stuck anywhere between them is ours.
    """

    flat: ClassVar[bool] = True
    stuck: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        if isinstance(self.stuck, MeasuredCells):
            values = self.stuck.values.values
            wrong = (values != 0) & (values != 1)
            if wrong.any():
                faults.add(
                    f"stuck has {int(wrong.sum())} values that are neither 0 nor 1, the first at {first_cell(wrong)}; "
                    "give 1 for a device that is stuck, 0 for any other"
                )
        elif isinstance(self.stuck, PerCell):
            faults.add(f"stuck is {self.stuck!r}; give the share of devices, a number from 0 to 1")
        else:
            faults.number("stuck", self.stuck, low=0.0, high=1.0)

    def parameters(self) -> dict[str, PerCell]:
        if isinstance(self.stuck, MeasuredCells):
            return {"stuck": self.stuck}
        return {"stuck": PerCell(as_per_cell(self.stuck).mean, distribution="bernoulli")}

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        return 0, 0

    @staticmethod
    def holds(cell: Any) -> bool:
        return cell.stuck > 0
