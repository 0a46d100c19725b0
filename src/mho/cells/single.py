"""One cross-point a weight."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.cells.base import Cell


@final
@dataclasses.dataclass(frozen=True)
class Single(Cell):
    """One device is one weight."""

    @property
    def devices(self) -> int:
        return 1

    @property
    def pulsed(self) -> int:
        return 1
