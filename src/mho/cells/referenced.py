"""A weight as the difference of two conductances."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.cells.base import Cell


@final
@dataclasses.dataclass(frozen=True)
class Referenced(Cell):
    """One weight device that is pulsed, and one reference device that is not: w = g - g_ref.

    The law moves g within the bounds of its own device, whatever w is. Reads see the difference, made of currents
    before noise and bounds. `write(w)` programs g = g_ref + w, clipped to the bounds of g. The reference starts at 0,
    where the cell is a `Single`; `write_reference` programs it, within the bounds of a device of its own.

    Source: H. Kim et al. 2019, arXiv 1907.10228; `mho.learning.zero_shift` is its procedure.
    """

    @property
    def devices(self) -> int:
        return 2

    @property
    def pulsed(self) -> int:
        return 1

    @property
    def is_difference(self) -> bool:
        return True
